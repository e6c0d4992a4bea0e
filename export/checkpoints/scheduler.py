"""A checkpoint's scheduler config: what its denoiser predicts, and over which noise levels."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contract.schedules import Diffusion, FlowSchedule, Prediction, ScaledLinearSchedule
from export.errors import ExportError
from export.json_file import read_json

FLOW = "FlowMatchEulerDiscreteScheduler"
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
TRAIN_STEPS = 1000
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


def read_diffusion(config: Path) -> Diffusion:
    """From a checkpoint's scheduler/scheduler_config.json. Raises ExportError."""
    return parse_diffusion(read_json(config))


def parse_diffusion(options: Mapping[str, Any]) -> Diffusion:
    """The keys that are read here are all that is used of it. Raises ExportError."""
    for name in REFUSED:
        if options.get(name):
            raise ExportError(f"The scheduler's option {name} is not supported")
    steps = options.get("num_train_timesteps", TRAIN_STEPS)
    if steps != TRAIN_STEPS:
        raise ExportError(f"The scheduler has {steps} training steps; only {TRAIN_STEPS} are supported")
    kind = options.get("_class_name")
    if not isinstance(kind, str) or (kind != FLOW and kind not in SPACING_OF):
        known = ", ".join((FLOW, *SPACING_OF))
        raise ExportError(f"Unknown scheduler {kind!r}; known: {known}")
    try:
        if kind == FLOW:
            return Diffusion("flow", FlowSchedule(float(options.get("shift", 1.0))))
        return _variance_preserving(options, SPACING_OF[kind])
    except KeyError as error:
        raise ExportError(f"The scheduler's config lacks {error}") from None
    except (ValueError, TypeError, OverflowError) as error:
        raise ExportError(f"The scheduler's config: {error}") from None


def _variance_preserving(options: Mapping[str, Any], spacing: str) -> Diffusion:
    prediction = PREDICTION_OF.get(str(options.get("prediction_type", "epsilon")))
    if prediction is None:
        raise ExportError(f"Unknown prediction_type {options['prediction_type']!r} in the scheduler's config")
    if options.get("beta_schedule") != "scaled_linear":
        raise ExportError(f"The beta_schedule {options.get('beta_schedule')!r} is not scaled_linear")
    schedule = ScaledLinearSchedule(
        beta_start=float(options["beta_start"]),
        beta_end=float(options["beta_end"]),
        train_steps=TRAIN_STEPS,
        spacing=options.get("timestep_spacing", spacing),
        steps_offset=int(options.get("steps_offset", 0)),
        zero_snr=bool(options.get("rescale_betas_zero_snr")),
    )
    return Diffusion(prediction, schedule)


def scheduler_config(diffusion: Diffusion) -> dict[str, Any]:
    """What read_diffusion reads as this."""
    schedule = diffusion.schedule
    if isinstance(schedule, FlowSchedule):
        return {"_class_name": FLOW, "shift": schedule.shift}
    return {
        "_class_name": "EulerDiscreteScheduler",
        "beta_start": schedule.beta_start,
        "beta_end": schedule.beta_end,
        "beta_schedule": "scaled_linear",
        "timestep_spacing": schedule.spacing,
        "steps_offset": schedule.steps_offset,
        "num_train_timesteps": schedule.train_steps,
        "prediction_type": next(
            said for said, meant in PREDICTION_OF.items() if meant == diffusion.prediction
        ),
        **({"rescale_betas_zero_snr": True} if schedule.zero_snr else {}),
    }
