"""Every sampler and spacing beside diffusers' own scheduler, with a denoiser that both ask alike.

Not beta, for which diffusers needs SciPy: see tests/contract/test_samplers.py.
"""

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    FlowMatchLCMScheduler,
    LCMScheduler,
)

from contract.samplers import Sampling, walk_of
from contract.schedules import Diffusion, FlowSchedule, ScaledLinearSchedule

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

BETAS = {"beta_start": 0.00085, "beta_end": 0.012}
SPACED = ("leading", "trailing", "linspace")
CASES: list[tuple[type[Any], dict[str, Any], Sampling]] = [
    *((EulerDiscreteScheduler, {"timestep_spacing": one}, Sampling("euler", one)) for one in SPACED),
    *(
        (
            EulerDiscreteScheduler,
            {"timestep_spacing": "linspace", f"use_{one}_sigmas": True},
            Sampling("euler", one),
        )
        for one in ("karras", "exponential")
    ),
    *(
        (EulerAncestralDiscreteScheduler, {"timestep_spacing": one}, Sampling("euler_ancestral", one))
        for one in SPACED
    ),
    *((DPMSolverMultistepScheduler, {"timestep_spacing": one}, Sampling("dpmpp_2m", one)) for one in SPACED),
    *(
        (
            DPMSolverMultistepScheduler,
            {"timestep_spacing": "linspace", f"use_{one}_sigmas": True},
            Sampling("dpmpp_2m", one),
        )
        for one in ("karras", "exponential")
    ),
    (LCMScheduler, {}, Sampling("lcm")),
]


def answer(latents: torch.Tensor, sigma: float) -> torch.Tensor:
    """The noise that a denoiser finds; it depends on what it is asked with and on how noisy that is."""
    return torch.tanh(0.3 * latents) + 0.1 * sigma / (1 + sigma)


@pytest.mark.parametrize("steps", [4, 25])
@pytest.mark.parametrize(("scheduler", "options", "sampling"), CASES)
def test_variance_preserving(
    scheduler: type[Any], options: dict[str, Any], sampling: Sampling, steps: int
) -> None:
    theirs = scheduler(**BETAS, beta_schedule="scaled_linear", steps_offset=1, **options)
    theirs.set_timesteps(steps)
    diffusion = Diffusion("epsilon", schedule("leading"))
    walk = walk_of(diffusion, sampling, steps)
    first = torch.randn(1, 4, 6, 6, generator=torch.manual_seed(3))
    theirs_by, ours_by = torch.manual_seed(5), torch.Generator().manual_seed(5)
    noisy = {"generator": theirs_by} if sampling.sampler in ("euler_ancestral", "lcm") else {}

    their_latents = first * theirs.init_noise_sigma
    for number, time in enumerate(theirs.timesteps):
        out = answer(theirs.scale_model_input(their_latents, time), float(walk.sigmas[number]))
        their_latents = theirs.step(out, time, their_latents, return_dict=False, **noisy)[0]
    latents = first * walk.first_scale
    before = torch.zeros_like(latents)
    for number in range(steps):
        sigma, after = float(walk.sigmas[number]), float(walk.sigmas[number + 1])
        out = answer(latents / (sigma**2 + 1) ** 0.5, sigma)
        picture = latents - sigma * out
        if walk.mixtures is None:
            latents = latents + out * (after - sigma)
            continue
        mixture = walk.mixtures[number]
        noise = torch.randn(latents.shape, generator=ours_by) if noisy else latents
        latents = (
            mixture.latents * latents
            + mixture.picture * picture
            + mixture.before * before
            + mixture.noise * noise
        )
        before = picture
    if sampling.sampler in ("dpmpp_2m", "lcm"):
        assert walk.sigmas[-1] == 0  # their latents are the picture then, as ours
    torch.testing.assert_close(latents, their_latents, rtol=2e-3, atol=2e-3)


def schedule(spacing: str) -> ScaledLinearSchedule:
    first, last = BETAS.values()
    return ScaledLinearSchedule(
        beta_start=first, beta_end=last, train_steps=1000, spacing=spacing, steps_offset=1
    )


@pytest.mark.parametrize("steps", [4, 25])
def test_consistency_steps_of_a_flow_model(steps: int) -> None:
    theirs = FlowMatchLCMScheduler(shift=3.0)
    walk = walk_of(Diffusion("flow", FlowSchedule(3.0)), Sampling("lcm"), steps)
    theirs.set_timesteps(sigmas=np.linspace(1.0, 0.0, steps + 1)[:-1].tolist())
    torch.testing.assert_close(theirs.sigmas, torch.from_numpy(walk.sigmas), rtol=1e-4, atol=1e-5)
    assert walk.mixtures
    first = torch.randn(1, 4, 6, 6, generator=torch.manual_seed(3))
    theirs_by, ours_by = torch.manual_seed(5), torch.Generator().manual_seed(5)
    their_latents = latents = first
    for number, time in enumerate(theirs.timesteps):
        sigma = float(walk.sigmas[number])
        out = answer(their_latents, sigma)
        their_latents = theirs.step(out, time, their_latents, generator=theirs_by, return_dict=False)[0]
        mixture = walk.mixtures[number]
        picture = latents - sigma * answer(latents, sigma)
        noise = torch.randn(latents.shape, generator=ours_by)
        latents = mixture.latents * latents + mixture.picture * picture + mixture.noise * noise
    torch.testing.assert_close(latents, their_latents, rtol=1e-3, atol=1e-3)
