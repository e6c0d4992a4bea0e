"""A checkpoint's noise schedule: what the denoiser predicts, and how sigmas and timesteps belong together."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from export.errors import ExportError

Prediction = Literal["epsilon", "v", "flow"]

# Samplers that share the variance-preserving noise schedule, with diffusers' default of timestep_spacing.
# Their own steps are not exported: the denoiser makes Euler steps.
SPACING_OF = {
    "EulerDiscreteScheduler": "linspace",
    "EulerAncestralDiscreteScheduler": "linspace",
    "DDIMScheduler": "leading",
    "PNDMScheduler": "leading",
    "DPMSolverMultistepScheduler": "linspace",
    "UniPCMultistepScheduler": "linspace",
}
PREDICTION_OF: dict[str, Prediction] = {"epsilon": "epsilon", "v_prediction": "v"}
# Options that change the schedule in ways that pipeline.json cannot say.
REFUSED = (
    "trained_betas",
    "use_dynamic_shifting",
    "shift_terminal",
    "invert_sigmas",
    "use_karras_sigmas",
    "use_exponential_sigmas",
    "use_beta_sigmas",
)


LEAST_KEPT = 2.0**-24
"""Of the picture at a zero-SNR schedule's last timestep, where sigma would be infinite; as in diffusers."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    prediction: Prediction
    train_steps: int = 1000
    shift: float = 1.0  # flow only
    beta_start: float = 0.0  # epsilon and v only, as are the next three
    beta_end: float = 0.0
    spacing: str = ""
    steps_offset: int = 0
    zero_snr: bool = (
        False  # v only: betas rescaled so that the last timestep is noise alone (Lin et al. 2023)
    )

    def __post_init__(self) -> None:
        if self.train_steps != 1000:
            raise ExportError(f"The scheduler has {self.train_steps} training steps; only 1000 are supported")
        if self.prediction == "flow":
            if not 0 < self.shift < 100:
                raise ExportError(f"The scheduler's shift {self.shift} is outside 0 to 100")
        elif not 0 < self.beta_start < self.beta_end < 1:
            raise ExportError("The scheduler's betas must rise between 0 and 1")
        elif self.spacing not in ("leading", "trailing", "linspace"):
            raise ExportError(f"Unknown timestep_spacing {self.spacing!r} in the scheduler's config")
        elif self.zero_snr and self.prediction != "v":
            raise ExportError("Zero terminal SNR goes with v prediction only (for a file: --prediction v)")

    def sigmas(self) -> dict[str, Any]:
        """As pipeline.json says it to text_to_image, which makes the sigmas of a picture."""
        if self.prediction == "flow":
            return {"kind": "flow", "shift": self.shift}
        return {
            "kind": "scaled_linear",
            "beta_start": self.beta_start,
            "beta_end": self.beta_end,
            "train_steps": self.train_steps,
            "spacing": self.spacing,
            "steps_offset": self.steps_offset,
            **({"zero_snr": True} if self.zero_snr else {}),
        }

    def log_sigmas(self) -> npt.NDArray[np.float32]:
        """ln(sigma) at each training timestep, rising, [train_steps]; epsilon and v only."""
        roots = np.linspace(self.beta_start**0.5, self.beta_end**0.5, self.train_steps, dtype=np.float32)
        kept = np.cumprod(1 - roots.astype(np.float64) ** 2)
        if self.zero_snr:
            whole = np.sqrt(kept)
            kept = ((whole - whole[-1]) * whole[0] / (whole[0] - whole[-1])) ** 2
            kept[-1] = LEAST_KEPT
        return np.asarray(np.log(np.sqrt((1 - kept) / kept)), np.float32)


def read_schedule(config: Path) -> Schedule:
    """From a checkpoint's scheduler/scheduler_config.json. Raises ExportError."""
    try:
        options = json.loads(config.read_bytes())
    except (OSError, ValueError) as error:
        raise ExportError(f"Cannot read the scheduler's config {config}: {error}") from None
    for name in REFUSED:
        if options.get(name):
            raise ExportError(f"The scheduler's option {name} is not supported")
    kind = options.get("_class_name")
    if kind == "FlowMatchEulerDiscreteScheduler":
        return Schedule(
            prediction="flow",
            train_steps=options.get("num_train_timesteps", 1000),
            shift=float(options.get("shift", 1.0)),
        )
    if kind not in SPACING_OF:
        known = ", ".join(("FlowMatchEulerDiscreteScheduler", *SPACING_OF))
        raise ExportError(f"Unknown scheduler {kind!r}; known: {known}")
    return _variance_preserving(options, SPACING_OF[kind])


def _variance_preserving(options: Mapping[str, Any], spacing: str) -> Schedule:
    prediction = PREDICTION_OF.get(options.get("prediction_type", "epsilon"))
    if prediction is None:
        raise ExportError(f"Unknown prediction_type {options['prediction_type']!r} in the scheduler's config")
    if options.get("beta_schedule") != "scaled_linear":
        raise ExportError(f"The beta_schedule {options.get('beta_schedule')!r} is not scaled_linear")
    return Schedule(
        prediction=prediction,
        train_steps=options.get("num_train_timesteps", 1000),
        beta_start=float(options["beta_start"]),
        beta_end=float(options["beta_end"]),
        spacing=options.get("timestep_spacing", spacing),
        steps_offset=int(options.get("steps_offset", 0)),
        zero_snr=bool(options.get("rescale_betas_zero_snr")),
    )
