"""Noise schedules: how noisy a picture is at each step, as pipeline.json says it and as was trained."""

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

Prediction = Literal["epsilon", "v", "flow"]
"""What a denoiser predicts: the noise, a mixture of noise and picture (Salimans and Ho, 2022), or noise minus
picture."""
Sigmas = npt.NDArray[np.float32]
"""[steps + 1], falling, the last one 0: standard deviation of the noise."""

MIN_ALPHA_CUMPROD = 2.0**-24
"""Of the picture at a zero-SNR schedule's last timestep, where sigma would be infinite; as in diffusers."""
SPACINGS = ("leading", "trailing", "linspace")
TRAIN_STEPS = 1000
"""Of a flow model, as published ones count."""


MAX_SHIFT = 100.0
MAX_PLACES = 1 << 14
"""Of the largest picture."""


@dataclass(frozen=True)
class FlowSchedule:
    """Rectified flow: sigma from 1 to 0, bent towards noise by `shift` (Esser et al. 2024, eq. 23).

    The same numbers as diffusers' FlowMatchEulerDiscreteScheduler.
    """

    kind: ClassVar = "flow"
    shift: float
    """Of pictures of every size, unless `by_size`."""
    least: float = 0.0
    """The last noise level before 0, not bent yet; 0: steps lead evenly to 0 itself."""
    by_size: bool = False
    """Whether the shift's logarithm follows from the picture's size: on a line through `base_shift` for a
    picture of `base_places` and `max_shift` for one of `max_places`."""
    base_shift: float = 0.5
    max_shift: float = 1.15
    base_places: int = 256
    max_places: int = 4096

    def __post_init__(self) -> None:
        if not 0 < self.shift <= MAX_SHIFT:
            raise ValueError(f"shift is {self.shift}, expected more than 0, at most 100")
        if not 0 <= self.least < 1:
            raise ValueError(f"least is {self.least}, expected 0 to 1")
        if not isinstance(self.by_size, bool):
            raise ValueError(f"by_size is {self.by_size!r}, expected true or false")
        if not 0 < self.base_places < self.max_places <= MAX_PLACES:
            raise ValueError(f"places are {self.base_places} and {self.max_places}, expected to rise")
        if not all(abs(self._log_shift(places)) <= math.log(MAX_SHIFT) for places in (1, MAX_PLACES)):
            raise ValueError(f"shifts by size are {self.base_shift} and {self.max_shift}: too far apart")

    def to_least(self) -> "FlowSchedule":
        """The same with steps down to the lowest noise level of the training, and from there to 0: what
        diffusers' scheduler does where its pipeline names no levels."""
        return replace(self, least=1.0 / TRAIN_STEPS if self.by_size else self.trained_range()[0])

    def of_size(self, height: int, width: int) -> "FlowSchedule":
        """For a picture of so many latents. Published models count their places in squares of 2 by 2."""
        if not self.by_size:
            return self
        shift = math.exp(self._log_shift((height // 2) * (width // 2)))
        return FlowSchedule(shift, self.least)

    def _log_shift(self, places: int) -> float:
        slope = (self.max_shift - self.base_shift) / (self.max_places - self.base_places)
        return self.base_shift + slope * (places - self.base_places)

    def sigmas(self, steps: int) -> Sigmas:
        even = np.linspace(1.0, 0.0, steps + 1)
        if self.least:
            even = np.append(np.linspace(1.0, self.least, steps), 0.0)
        return self._bent(even).astype(np.float32)

    def trained_range(self) -> tuple[float, float]:
        """The lowest and the highest noise level."""
        low, high = self._bent(np.array([1.0 / TRAIN_STEPS, 1.0]))
        return float(low), float(high)

    def _bent(self, even: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return self.shift * even / (1.0 + (self.shift - 1.0) * even)

    def init_noise_sigma(self, sigmas: Sigmas) -> float:
        """What the first noise (standard normal) is multiplied by."""
        return float(sigmas[0])


@dataclass(frozen=True)
class ScaledLinearSchedule:
    """Stable Diffusion's betas, linear in their square roots; sigma = sqrt((1 - a) / a), a = prod(1 - beta).

    The same numbers as diffusers' EulerDiscreteScheduler with `scaled_linear` betas and linear interpolation.
    """

    kind: ClassVar = "scaled_linear"
    beta_start: float
    beta_end: float
    train_steps: int
    spacing: str  # one of SPACINGS: which training steps are visited
    steps_offset: int
    zero_snr: bool = False  # betas rescaled so that the last training step is noise alone (Lin et al. 2023)

    def __post_init__(self) -> None:
        if not 0 < self.beta_start < self.beta_end < 1:
            raise ValueError(
                f"betas are {self.beta_start} to {self.beta_end}, expected to rise between 0 and 1"
            )
        if not 100 <= self.train_steps <= 100_000:
            raise ValueError(f"train_steps is {self.train_steps}, expected 100 to 100000")
        if self.spacing not in SPACINGS:
            raise ValueError(f"spacing is {self.spacing!r}, expected {', '.join(SPACINGS)}")
        if not 0 <= self.steps_offset <= 1:
            raise ValueError(f"steps_offset is {self.steps_offset}, expected 0 or 1")
        if not isinstance(self.zero_snr, bool):
            raise ValueError(f"zero_snr is {self.zero_snr!r}, expected true or false")

    def sigmas(self, steps: int) -> Sigmas:
        return self.sigmas_at(self.times(steps))

    def sigmas_at(self, times: npt.NDArray[np.float64]) -> Sigmas:
        """Of training timesteps, between which it is linear, and the 0 after them."""
        visited = np.interp(times, np.arange(self.train_steps), self._trained())
        return np.append(visited, 0.0).astype(np.float32)

    def trained_range(self) -> tuple[float, float]:
        """The lowest and the highest noise level."""
        trained = self._trained()
        return float(trained[0]), float(trained[-1])

    def of_size(self, height: int, width: int) -> "ScaledLinearSchedule":
        """The same for every size."""
        return self

    def spaced(self, spacing: str) -> "ScaledLinearSchedule":
        return replace(self, spacing=spacing)

    def _trained(self) -> npt.NDArray[np.float64]:
        alphas = self._alphas_cumprod(np.float64)
        return np.asarray(np.sqrt((1.0 - alphas) / alphas))

    def init_noise_sigma(self, sigmas: Sigmas) -> float:
        """What the first noise (standard normal) is multiplied by."""
        # With "leading" the first visited step is not the noisiest: the picture's own share is there already.
        first = float(sigmas[0])
        return float((first**2 + 1.0) ** 0.5) if self.spacing == "leading" else first

    def log_sigmas(self) -> npt.NDArray[np.float32]:
        """ln(sigma) at each training timestep, rising, [train_steps], from betas in fp32 as in training."""
        alphas = self._alphas_cumprod(np.float32)
        return np.asarray(np.log(np.sqrt((1 - alphas) / alphas)), np.float32)

    def _alphas_cumprod(self, dtype: type[np.floating[Any]]) -> npt.NDArray[np.float64]:
        """`dtype`: to which the betas' roots are rounded."""
        roots = np.linspace(self.beta_start**0.5, self.beta_end**0.5, self.train_steps, dtype=dtype)
        alphas = np.cumprod(1.0 - roots.astype(np.float64) ** 2)
        if self.zero_snr:
            kept = np.sqrt(alphas)
            alphas = ((kept - kept[-1]) * kept[0] / (kept[0] - kept[-1])) ** 2
            alphas[-1] = MIN_ALPHA_CUMPROD
        return np.asarray(alphas)

    def times(self, steps: int) -> npt.NDArray[np.float64]:
        """Training timesteps that are visited, falling, [steps]; between whole ones with "linspace"."""
        if self.spacing == "linspace":
            return np.linspace(self.train_steps - 1, 0, steps)
        if self.spacing == "trailing":
            # Not arange with a fractional stride: rounding can give it one element too many.
            return np.round(self.train_steps - np.arange(steps) * (self.train_steps / steps)) - 1.0
        stride = self.train_steps // steps
        return (np.arange(steps) * stride).astype(np.float64)[::-1] + self.steps_offset


NoiseSchedule = FlowSchedule | ScaledLinearSchedule
_KINDS: Mapping[str, type[NoiseSchedule]] = {
    FlowSchedule.kind: FlowSchedule,
    ScaledLinearSchedule.kind: ScaledLinearSchedule,
}


def schedule_to_table(schedule: NoiseSchedule) -> dict[str, Any]:
    """As pipeline.json says it: what is as usual is left out."""
    values = {field.name: (getattr(schedule, field.name), field.default) for field in fields(schedule)}
    said = {name: value for name, (value, usual) in values.items() if usual is MISSING or value != usual}
    return {"kind": schedule.kind, **said}


def schedule_of_table(table: Mapping[str, Any]) -> NoiseSchedule:
    """Raises ValueError, TypeError, KeyError or AttributeError for anything else."""
    values = {name: value for name, value in table.items() if name != "kind"}
    return _KINDS[table["kind"]](**values)


@dataclass(frozen=True)
class Diffusion:
    """What a denoiser predicts, over which noise levels. Raises ValueError for what does not go together."""

    prediction: Prediction
    schedule: NoiseSchedule

    def of_size(self, height: int, width: int) -> "Diffusion":
        """For a picture of so many latents."""
        return replace(self, schedule=self.schedule.of_size(height, width))

    def __post_init__(self) -> None:
        if self.prediction not in ("epsilon", "v", "flow"):
            raise ValueError(f"prediction is {self.prediction!r}, expected epsilon, v or flow")
        if isinstance(self.schedule, FlowSchedule):
            if self.prediction != "flow":
                raise ValueError(f"a flow schedule goes with flow prediction, not with {self.prediction}")
        elif self.prediction == "flow":
            raise ValueError("flow prediction goes with a flow schedule only")
        elif self.schedule.zero_snr and self.prediction != "v":
            raise ValueError("zero terminal SNR goes with v prediction only")
