"""Samplers' arithmetic; that it is diffusers' own is tested in tests/export/test_samplers.py."""

import math

import numpy as np
import pytest

from contract.samplers import ALL_SPACINGS, SAMPLERS, Sampling, walk_of
from contract.schedules import SPACINGS, Diffusion, FlowSchedule, ScaledLinearSchedule

SDXL = Diffusion(
    "epsilon",
    ScaledLinearSchedule(
        beta_start=0.00085, beta_end=0.012, train_steps=1000, spacing="leading", steps_offset=1
    ),
)
FLOW = Diffusion("flow", FlowSchedule(3.0))


def possible(sampler: str, spacing: str, flow: bool) -> bool:
    if sampler == "lcm":
        return not spacing
    return not (flow and (sampler == "euler_ancestral" or spacing in (*SPACINGS, "sgm_uniform")))


@pytest.mark.parametrize("diffusion", [SDXL, FLOW])
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("spacing", ["", *ALL_SPACINGS])
@pytest.mark.parametrize("steps", [1, 2, 4, 30])
def test_steps_fall_to_zero_and_end_at_the_picture(
    diffusion: Diffusion, sampler: str, spacing: str, steps: int
) -> None:
    if not possible(sampler, spacing, diffusion is FLOW):
        with pytest.raises(ValueError, match=f"^{sampler}|a flow model has no {spacing}"):
            walk_of(diffusion, Sampling(sampler, spacing), steps)
        return
    walk = walk_of(diffusion, Sampling(sampler, spacing), steps)
    assert walk.sigmas.shape == (steps + 1,) and walk.sigmas.dtype == np.float32
    assert np.all(np.diff(walk.sigmas) < 0) and walk.sigmas[-1] == 0
    if walk.mixtures is None:
        assert sampler == "euler"
        return
    assert len(walk.mixtures) == steps
    *between, last = walk.mixtures
    assert last.picture == pytest.approx(1, abs=1e-3) and abs(last.latents) < 1e-3
    assert last.before == 0 and last.noise == 0
    assert all(math.isfinite(each) for one in between for each in vars(one).values())


@pytest.mark.parametrize(
    ("diffusion", "sampling", "told"),
    [
        (SDXL, Sampling(), "euler leading"),
        (SDXL, Sampling("dpmpp_2m", "karras"), "dpmpp_2m karras"),
        (SDXL, Sampling("lcm"), "lcm"),
        (FLOW, Sampling(), "euler"),
        (FLOW, Sampling("dpmpp_2m", "beta"), "dpmpp_2m beta"),
    ],
)
def test_sampler_and_spacing_are_told_where_they_have_a_name(
    diffusion: Diffusion, sampling: Sampling, told: str
) -> None:
    assert sampling.told_of(diffusion.schedule) == told


@pytest.mark.parametrize("diffusion", [SDXL, FLOW])
@pytest.mark.parametrize("sampler", SAMPLERS[1:])
def test_denoiser_that_knows_the_picture_leads_there_with_the_noise_that_the_level_says(
    diffusion: Diffusion, sampler: str
) -> None:
    if diffusion is FLOW and sampler == "euler_ancestral":
        return
    chance = np.random.default_rng(1)
    picture, shape = 0.5, 200_000
    walk = walk_of(diffusion, Sampling(sampler), 8)
    high = float(walk.sigmas[0])
    latents = (1 - high if diffusion is FLOW else 1) * picture + high * chance.standard_normal(shape)
    assert walk.mixtures
    for mixture, sigma in zip(walk.mixtures[:-1], walk.sigmas[1:], strict=False):
        latents = (
            mixture.latents * latents
            + (mixture.picture + mixture.before) * picture
            + mixture.noise * chance.standard_normal(shape)
        )
        kept = 1 - sigma if diffusion is FLOW else 1
        assert latents.std() == pytest.approx(float(sigma), rel=0.03)
        assert latents.mean() == pytest.approx(float(kept) * picture, abs=0.02 * float(sigma) + 0.01)


@pytest.mark.parametrize(
    ("sampling", "steps", "words"),
    [
        (("heun",), 4, "sampler is 'heun', expected euler, euler_ancestral, dpmpp_2m, lcm"),
        (("euler", "odd"), 4, "spacing is 'odd', expected leading"),
        (("lcm", "karras"), 4, "lcm has timesteps of its own"),
        (("lcm",), 51, "lcm takes at most 50 steps"),
    ],
)
def test_what_does_not_go_together_is_told(sampling: tuple[str, ...], steps: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        walk_of(SDXL, Sampling(*sampling), steps)


def test_beta_spacing_is_of_the_quantiles_of_that_distribution() -> None:
    low, high = SDXL.schedule.trained_range()
    sigmas = walk_of(SDXL, Sampling(spacing="beta"), 9).sigmas[:-1]
    drawn = np.random.default_rng(2).beta(0.6, 0.6, 400_000)
    wanted = np.quantile(drawn, np.linspace(1, 0, 9))
    assert np.allclose((sigmas - low) / (high - low), wanted, atol=5e-3)
