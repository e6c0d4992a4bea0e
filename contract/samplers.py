"""Samplers: which noise levels a picture goes through, and what becomes of each answer of the denoiser.

The denoiser itself takes Euler steps. For every other sampler it is asked for the picture as it would be
without noise (its step to sigma 0), and what the next step begins with is a mixture of that, of what it was
asked with, of the answer before and of new noise. So one call of an engine stays one step, in every engine.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from contract.schedules import SPACINGS, Diffusion, FlowSchedule, ScaledLinearSchedule, Sigmas

Sampler = Literal["euler", "euler_ancestral", "dpmpp_2m", "lcm"]
Spacing = Literal["leading", "trailing", "linspace", "sgm_uniform", "karras", "exponential", "beta"]
"""sgm_uniform is other programs' word for trailing; karras, exponential and beta go from the highest to the
lowest noise level of the training."""
SAMPLERS: tuple[str, ...] = get_args(Sampler)
ALL_SPACINGS: tuple[str, ...] = get_args(Spacing)
EULER, ANCESTRAL, MULTISTEP, CONSISTENCY = SAMPLERS
SGM_UNIFORM = "sgm_uniform"
LCM_TIMES = 50
"""Timesteps that a consistency model was distilled on, of which its steps are some."""
_RHO = 7.0  # Karras et al. (2022), table 1
_BETA = 0.6  # Lee et al., "Beta Sampling is All You Need" (2024), as diffusers has it
_LCM_DATA, _LCM_TIME = 0.5, 10.0  # of a consistency model's boundary conditions (Luo et al. 2023)


@dataclass(frozen=True)
class Sampling:
    """How pictures are drawn. `spacing`: "" is the schedule's own. Raises ValueError."""

    sampler: str = EULER
    spacing: str = ""

    def __post_init__(self) -> None:
        if self.sampler not in SAMPLERS:
            raise ValueError(f"sampler is {self.sampler!r:.80}, expected {', '.join(SAMPLERS)}")
        if self.spacing and self.spacing not in ALL_SPACINGS:
            raise ValueError(f"spacing is {self.spacing!r:.80}, expected {', '.join(ALL_SPACINGS)}")
        if self.sampler == CONSISTENCY and self.spacing:
            raise ValueError(f"{CONSISTENCY} has timesteps of its own, so it takes no spacing")

    def check_flow(self) -> None:
        """Whether a flow model can be drawn so. Raises ValueError."""
        if self.sampler == ANCESTRAL:
            raise ValueError(f"{ANCESTRAL} is no sampler of a flow model")
        if self.spacing in (*SPACINGS, SGM_UNIFORM):
            raise ValueError(f"a flow model has no {self.spacing} spacing")

    def check_steps(self, steps: int) -> None:
        """Raises ValueError."""
        if self.sampler == CONSISTENCY and steps > LCM_TIMES:
            raise ValueError(f"{CONSISTENCY} takes at most {LCM_TIMES} steps, not {steps}")

    def told_of(self, schedule: FlowSchedule | ScaledLinearSchedule) -> str:
        """Sampler and spacing in words, as "dpmpp_2m karras"; the latter only where it has a name."""
        own = schedule.spacing if isinstance(schedule, ScaledLinearSchedule) else ""
        spacing = "" if self.sampler == CONSISTENCY else self.spacing or own
        return f"{self.sampler} {spacing}".rstrip()

    def instead(self, sampler: str, spacing: str) -> "Sampling":
        """What an order says in place of a model's own; "": nothing. Raises ValueError."""
        if sampler:
            return Sampling(sampler, spacing)
        return Sampling(self.sampler, spacing) if spacing else self


USUAL = Sampling()


@dataclass(frozen=True)
class Mixture:
    """What the next step begins with, as factors: latents that this one began with, the picture that the
    denoiser sees in them, the one that it saw a step before, standard normal noise."""

    latents: float
    picture: float
    before: float = 0.0
    noise: float = 0.0


@dataclass(frozen=True)
class Walk:
    sigmas: Sigmas  # [steps + 1], falling, the last one 0
    first_scale: float  # what the first noise (standard normal) is multiplied by
    mixtures: tuple[Mixture, ...] | None  # one for each step; None: Euler steps, which the denoiser takes


def walk_of(diffusion: Diffusion, sampling: Sampling, steps: int) -> Walk:
    """Raises ValueError for what does not go together."""
    _check(diffusion, sampling, steps)
    schedule = diffusion.schedule
    sigmas = _sigmas(schedule, sampling, steps)
    if sampling.sampler in (EULER, ANCESTRAL):
        own = sampling.spacing in ("", *SPACINGS, SGM_UNIFORM)
        scale = _spaced(schedule, sampling).init_noise_sigma(sigmas) if own else float(sigmas[0])
    else:  # noise of the whole of a variance-preserving network's variance
        flow = isinstance(schedule, FlowSchedule)
        scale = float(sigmas[0]) if flow else math.hypot(float(sigmas[0]), 1.0)
    mix = _MIXES.get(sampling.sampler)
    levels = [float(sigma) for sigma in sigmas]
    return Walk(sigmas, scale, tuple(mix(diffusion, levels)) if mix else None)


def _check(diffusion: Diffusion, sampling: Sampling, steps: int) -> None:
    if isinstance(diffusion.schedule, FlowSchedule):
        sampling.check_flow()
    sampling.check_steps(steps)


def _sigmas(schedule: FlowSchedule | ScaledLinearSchedule, sampling: Sampling, steps: int) -> Sigmas:
    if bend := _BENDS.get(sampling.spacing):
        low, high = schedule.trained_range()
        return np.append(bend(low, high, steps), 0.0).astype(np.float32)
    if isinstance(schedule, FlowSchedule):
        return schedule.sigmas(steps)
    if sampling.sampler == CONSISTENCY:
        each = schedule.train_steps // LCM_TIMES
        places = np.floor(np.linspace(0, LCM_TIMES, steps, endpoint=False)).astype(int)
        return schedule.sigmas_at((LCM_TIMES - places) * each - 1.0)
    spaced = _spaced(schedule, sampling)
    assert isinstance(spaced, ScaledLinearSchedule)
    if sampling.sampler == MULTISTEP and spaced.spacing != "trailing":
        # It visits whole timesteps, and of one more than it takes steps leaves out the last.
        return spaced.sigmas_at(np.round(spaced.times(steps + 1)[:-1]))
    return spaced.sigmas(steps)


def _spaced(
    schedule: FlowSchedule | ScaledLinearSchedule, sampling: Sampling
) -> FlowSchedule | ScaledLinearSchedule:
    if isinstance(schedule, FlowSchedule) or not sampling.spacing:
        return schedule
    return schedule.spaced("trailing" if sampling.spacing == SGM_UNIFORM else sampling.spacing)


def _ancestral(_: Diffusion, sigmas: Sequence[float]) -> list[Mixture]:
    found = []
    for sigma, after in pairwise(sigmas):
        noise = math.sqrt(after**2 * (sigma**2 - after**2)) / sigma
        down = math.sqrt(max(after**2 - noise**2, 0.0)) / sigma
        found.append(Mixture(down, 1.0 - down, noise=noise))
    return found


def _multistep(diffusion: Diffusion, sigmas: Sequence[float]) -> list[Mixture]:
    """DPM-Solver++ of second order (Lu et al. 2022), by its midpoint; the first and last of first order."""
    flow = isinstance(diffusion.schedule, FlowSchedule)

    def log_snr(sigma: float) -> float:
        """Half of it; of pure noise minus infinity."""
        share = (1.0 - sigma if flow else 1.0) / sigma
        return math.log(share) if share else -math.inf

    found, stride = list[Mixture](), math.inf
    for number, (sigma, after) in enumerate(pairwise(sigmas)):
        kept, last = after / sigma, stride
        stride = log_snr(after) - log_snr(sigma) if after else math.inf
        turn = stride / (2.0 * last) if number and after else 0.0  # 0 too where the last began at pure noise
        found.append(Mixture(kept, (1.0 - kept) * (1.0 + turn), before=-(1.0 - kept) * turn))
    return found


def _consistency(diffusion: Diffusion, sigmas: Sequence[float]) -> list[Mixture]:
    if isinstance(diffusion.schedule, FlowSchedule):
        return [Mixture(0.0, 1.0 - after, noise=after) for after in sigmas[1:]]
    steps = len(sigmas) - 1
    each = diffusion.schedule.train_steps // LCM_TIMES
    places = np.floor(np.linspace(0, LCM_TIMES, steps, endpoint=False))
    times = _LCM_TIME * ((LCM_TIMES - places) * each - 1.0)
    found = []
    for time, (sigma, after) in zip(times, pairwise(sigmas), strict=True):
        whole = time**2 + _LCM_DATA**2
        skip, out = _LCM_DATA**2 / whole, time / math.sqrt(whole)
        found.append(Mixture(float(skip) / math.hypot(sigma, 1.0), float(out), noise=after))
    return found


def _karras(low: float, high: float, steps: int) -> npt.NDArray[np.float64]:
    roots = np.linspace(high ** (1 / _RHO), low ** (1 / _RHO), steps)
    return np.asarray(roots**_RHO)


def _exponential(low: float, high: float, steps: int) -> npt.NDArray[np.float64]:
    return np.exp(np.linspace(math.log(high), math.log(low), steps))


def _beta(low: float, high: float, steps: int) -> npt.NDArray[np.float64]:
    return low + (high - low) * _beta_quantiles(np.linspace(1.0, 0.0, steps))


def _beta_quantiles(shares: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Of the symmetric beta distribution, whose density is infinite at both ends, but not in u = x**_BETA."""
    u = np.linspace(0.0, 0.5**_BETA, 20_001)
    density = (1.0 - u ** (1.0 / _BETA)) ** (_BETA - 1.0)
    below = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2.0)])
    below *= 0.5 / below[-1]
    lower = np.interp(np.minimum(shares, 1.0 - shares), below, u) ** (1.0 / _BETA)
    return np.where(shares <= 0.5, lower, 1.0 - lower)


_MIXES: Mapping[str, Callable[[Diffusion, Sequence[float]], list[Mixture]]] = {
    ANCESTRAL: _ancestral,
    MULTISTEP: _multistep,
    CONSISTENCY: _consistency,
}
_BENDS: Mapping[str, Callable[[float, float, int], npt.NDArray[np.float64]]] = {
    "karras": _karras,
    "exponential": _exponential,
    "beta": _beta,
}
