"""Noise levels (sigmas) of the denoising steps, from a model's pipeline.json."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

LEAST_KEPT = 2.0**-24  # of the picture, where sigma would be infinite; as diffusers has it
Sigmas = npt.NDArray[np.float32]  # [steps + 1], falling, the last one 0


class Schedule(Protocol):
    def sigmas(self, steps: int) -> Sigmas: ...

    def first_scale(self, sigmas: Sigmas) -> float:
        """What the first noise (standard normal) is multiplied by."""
        ...


@dataclass(frozen=True)
class FlowSchedule:
    """Rectified flow: sigma from 1 to 0, bent towards noise by `shift` (Esser et al. 2024, eq. 23)."""

    shift: float

    def __post_init__(self) -> None:
        if not 0 < self.shift <= 100:
            raise ValueError(f"shift is {self.shift}, expected more than 0, at most 100")

    def sigmas(self, steps: int) -> Sigmas:
        even = np.linspace(1.0, 0.0, steps + 1)
        return (self.shift * even / (1.0 + (self.shift - 1.0) * even)).astype(np.float32)

    def first_scale(self, sigmas: Sigmas) -> float:
        return float(sigmas[0])


@dataclass(frozen=True)
class ScaledLinearSchedule:
    """Stable Diffusion's betas, linear in their square roots; sigma = sqrt((1 - a) / a), a = prod(1 - beta).

    The same numbers as diffusers' EulerDiscreteScheduler with `scaled_linear` betas and linear interpolation.
    """

    beta_start: float
    beta_end: float
    train_steps: int
    spacing: str  # leading, trailing or linspace: which training steps are visited
    steps_offset: int
    zero_snr: bool = False  # betas rescaled so that the last training step is noise alone (Lin et al. 2023)

    def __post_init__(self) -> None:
        if not 0 < self.beta_start <= self.beta_end < 1:
            raise ValueError(f"betas are {self.beta_start} to {self.beta_end}, expected between 0 and 1")
        if not 100 <= self.train_steps <= 100_000:
            raise ValueError(f"train_steps is {self.train_steps}, expected 100 to 100000")
        if self.spacing not in ("leading", "trailing", "linspace"):
            raise ValueError(f"spacing is {self.spacing!r}, expected leading, trailing or linspace")
        if not 0 <= self.steps_offset <= 1:
            raise ValueError(f"steps_offset is {self.steps_offset}, expected 0 or 1")
        if not isinstance(self.zero_snr, bool):
            raise ValueError(f"zero_snr is {self.zero_snr!r}, expected true or false")

    def sigmas(self, steps: int) -> Sigmas:
        betas = np.linspace(self.beta_start**0.5, self.beta_end**0.5, self.train_steps) ** 2
        kept = np.cumprod(1.0 - betas)
        if self.zero_snr:
            whole = np.sqrt(kept)
            kept = ((whole - whole[-1]) * whole[0] / (whole[0] - whole[-1])) ** 2
            kept[-1] = LEAST_KEPT
        trained = np.sqrt((1.0 - kept) / kept)
        visited = np.interp(self._times(steps), np.arange(self.train_steps), trained)
        return np.append(visited, 0.0).astype(np.float32)

    def first_scale(self, sigmas: Sigmas) -> float:
        # With "leading" the first visited step is not the noisiest: the picture's own share is there already.
        first = float(sigmas[0])
        return float((first**2 + 1.0) ** 0.5) if self.spacing == "leading" else first

    def _times(self, steps: int) -> npt.NDArray[np.float64]:
        if self.spacing == "linspace":
            return np.linspace(self.train_steps - 1, 0, steps)
        if self.spacing == "trailing":
            # Not arange with a fractional stride: rounding can give it one element too many.
            return np.round(self.train_steps - np.arange(steps) * (self.train_steps / steps)) - 1.0
        stride = self.train_steps // steps
        return (np.arange(steps) * stride).astype(np.float64)[::-1] + self.steps_offset
