"""A diffusers scheduler's config: what a denoiser predicts, over which noise levels, by which sampler.

Samplers that we do not have become Euler, and what else concerns a sampler alone is left out; both are told.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from contract.families import Family
from contract.samplers import ANCESTRAL, CONSISTENCY, MULTISTEP, USUAL, Sampling
from contract.schedules import SPACINGS, Diffusion, FlowSchedule, Prediction, ScaledLinearSchedule
from export.errors import ExportError
from export.json_file import read_json

EULER, FLOW_EULER = "EulerDiscreteScheduler", "FlowMatchEulerDiscreteScheduler"
FLOW_LCM = "FlowMatchLCMScheduler"
FLOW_SAMPLERS = (FLOW_EULER, FLOW_LCM, "FlowMatchHeunDiscreteScheduler")
SPACING_OF = {
    EULER: "linspace",
    "EulerAncestralDiscreteScheduler": "linspace",
    "DDIMScheduler": "leading",
    "DDIMParallelScheduler": "leading",
    "DDPMScheduler": "leading",
    "DDPMParallelScheduler": "leading",
    "LCMScheduler": "leading",
    "PNDMScheduler": "leading",
    "TCDScheduler": "leading",
    "DEISMultistepScheduler": "linspace",
    "DPMSolverMultistepScheduler": "linspace",
    "DPMSolverSDEScheduler": "linspace",
    "DPMSolverSinglestepScheduler": "linspace",
    "HeunDiscreteScheduler": "linspace",
    "KDPM2DiscreteScheduler": "linspace",
    "KDPM2AncestralDiscreteScheduler": "linspace",
    "LMSDiscreteScheduler": "linspace",
    "SASolverScheduler": "linspace",
    "UniPCMultistepScheduler": "linspace",
}
"""Samplers over Stable Diffusion's noise levels, with diffusers' default of timestep_spacing."""
SAMPLER_OF = {
    EULER: USUAL.sampler,
    FLOW_EULER: USUAL.sampler,
    "EulerAncestralDiscreteScheduler": ANCESTRAL,
    "DPMSolverMultistepScheduler": MULTISTEP,
    "LCMScheduler": CONSISTENCY,
    FLOW_LCM: CONSISTENCY,
}
"""Those that we have."""
MULTISTEP_OPTIONS = {"algorithm_type": "dpmsolver++", "solver_order": 2, "solver_type": "midpoint"}
"""diffusers' defaults, with which its multistep solver is DPM++ 2M."""
REFUSED_SAMPLERS = {
    "CMStochasticIterativeScheduler": "a consistency model's sampler, of noise levels that are not supported"
}
EDM = ("EDMEulerScheduler", "EDMDPMSolverMultistepScheduler")
EDM_WORDS = "an EDM model (as CosXL and Playground 2.5 are): its noise levels are not supported"
PREDICTION_WORDS: Mapping[str, Prediction] = {
    "epsilon": "epsilon",
    "eps": "epsilon",
    "noise": "epsilon",
    "v": "v",
    "v_prediction": "v",
    "v_pred": "v",
    "vpred": "v",
    "velocity": "v",
    "flow": "flow",
    "flow_prediction": "flow",
    "flow_matching": "flow",
    "rectified_flow": "flow",
}
"""What people and programs call it, in lower case with `_` between the words."""
DIFFUSERS_WORD: Mapping[Prediction, str] = {"epsilon": "epsilon", "v": "v_prediction", "flow": "flow"}
SAY_PREDICTION = "say what the model predicts: --prediction epsilon, v_prediction or flow"
TRAIN_STEPS = 1000
# Noise levels of the sampler's own choice, in place of the trained ones: those that we have, and others.
SPACING_OPTIONS = {
    "use_karras_sigmas": "karras",
    "use_exponential_sigmas": "exponential",
    "use_beta_sigmas": "beta",
}
SAMPLER_OPTIONS = ("use_lu_lambdas", "shift_terminal")
# What changes the trained noise levels in ways that pipeline.json cannot say.
REFUSED = ("trained_betas", "invert_sigmas")
BY_SIZE = {
    "base_shift": "base_shift",
    "max_shift": "max_shift",
    "base_places": "base_image_seq_len",
    "max_places": "max_image_seq_len",
}
"""FlowSchedule's words for the shift by size, and diffusers'."""


@dataclass(frozen=True, kw_only=True)
class SchedulerSays:
    """None: it does not say, or it is not of its kind."""

    prediction: Prediction
    spacing: str | None = None
    zero_snr: bool | None = None
    steps_offset: int = 0
    betas: tuple[float, float] | None = None  # first, last
    flow: FlowSchedule | None = None
    sampling: Sampling = USUAL
    unknown: str = ""  # its sampler, where it is not ours
    left_out: tuple[str, ...] = ()  # options of the sampler alone

    @property
    def remark(self) -> str | None:
        """What of its sampler is left out, in one line."""
        sampler = f"the sampler {self.unknown}, in place of which Euler steps are taken"
        found = [*([sampler] if self.unknown else []), *self.left_out]
        return f"left out of the scheduler's config: {', '.join(found)}" if found else None


def read_diffusion(config: Path, family: Family | None = None) -> Diffusion:
    """From a checkpoint's scheduler/scheduler_config.json. Raises ExportError."""
    says = read_scheduler(config)
    try:
        return diffusion_of(says, family)
    except ValueError as error:
        raise ExportError(f"{config}: {error}") from None


def diffusion_of(says: SchedulerSays, family: Family | None = None) -> Diffusion:
    """Raises ValueError for what does not go together."""
    if says.betas is None or says.spacing is None:
        return flow_of(says.flow or FlowSchedule(1.0), family)
    schedule = ScaledLinearSchedule(
        beta_start=says.betas[0],
        beta_end=says.betas[1],
        train_steps=TRAIN_STEPS,
        spacing=says.spacing,
        steps_offset=says.steps_offset,
        zero_snr=bool(says.zero_snr),
    )
    return Diffusion(says.prediction, schedule)


def flow_of(schedule: FlowSchedule, family: Family | None) -> Diffusion:
    """With steps as the family's own lead to 0, which no config says."""
    own = family.diffusion.schedule if family else None
    to_least = isinstance(own, FlowSchedule) and own.least > 0
    return Diffusion("flow", schedule.to_least() if to_least else schedule)


def read_scheduler(config: Path) -> SchedulerSays:
    """The keys that are read here are all that is used of it. Raises ExportError."""
    options = read_json(config)
    try:
        return _scheduler(options)
    except ValueError as error:
        raise ExportError(f"{config}: {error}") from None


def _scheduler(options: Mapping[str, Any]) -> SchedulerSays:
    kind = options.get("_class_name")
    if kind in EDM or options.get("timestep_type") == "continuous":
        raise ValueError(f"{kind} is of {EDM_WORDS}")
    if not isinstance(kind, str) or kind not in (*FLOW_SAMPLERS, *SPACING_OF):
        reason = REFUSED_SAMPLERS.get(str(kind), "not known")
        raise ValueError(
            f"the scheduler {str(kind)[:80]!r} is {reason}; if Euler steps draw the model, {SAY_PREDICTION}"
        )
    for name in REFUSED:
        if options.get(name):
            raise ValueError(f"the option {name} is not supported")
    steps = options.get("num_train_timesteps")
    if steps not in (None, TRAIN_STEPS):
        raise ValueError(f"{str(steps)[:20]} training steps are not supported, only {TRAIN_STEPS}")
    prediction = _prediction(options, kind in FLOW_SAMPLERS)
    sampling, left_out = _sampling(options, kind, prediction)
    unknown = "" if kind in SAMPLER_OF and sampling.sampler == SAMPLER_OF[kind] else kind
    if prediction == "flow":
        flow = _flow(options, "shift" if kind in FLOW_SAMPLERS else "flow_shift")
        return SchedulerSays(
            prediction="flow", flow=flow, sampling=sampling, unknown=unknown, left_out=left_out
        )
    says = _variance_preserving(options, kind, prediction, left_out)
    return replace(says, sampling=sampling, unknown=unknown)


def _sampling(
    options: Mapping[str, Any], kind: str, prediction: Prediction
) -> tuple[Sampling, tuple[str, ...]]:
    """And what of it is left out."""
    left_out = [name for name in SAMPLER_OPTIONS if options.get(name)]
    sampler = SAMPLER_OF.get(kind, USUAL.sampler)
    if sampler == ANCESTRAL and prediction == "flow":
        sampler = USUAL.sampler
    if sampler == MULTISTEP:
        others = {
            name: value
            for name, usual in MULTISTEP_OPTIONS.items()
            if (value := options.get(name, usual)) != usual
        }
        left_out += [f"{name} {str(value)[:20]!r}" for name, value in others.items()]
        sampler = USUAL.sampler if others else sampler
    spacings = [name for name in SPACING_OPTIONS if options.get(name)]
    if sampler == CONSISTENCY:
        return Sampling(sampler), (*left_out, *spacings)
    first = SPACING_OPTIONS[spacings[0]] if spacings else ""
    return Sampling(sampler, first), (*left_out, *spacings[1:])


def _prediction(options: Mapping[str, Any], flow: bool) -> Prediction:
    """diffusers' own words only: these files are its own."""
    said = options.get("prediction_type")
    if flow or (said == "flow_prediction" and options.get("use_flow_sigmas")):
        return "flow"
    if said not in (None, "epsilon", "v_prediction"):
        raise ValueError(f"prediction_type {str(said)[:80]!r} is not epsilon or v_prediction")
    return PREDICTION_WORDS[said or "epsilon"]


def _flow(options: Mapping[str, Any], name: str) -> FlowSchedule:
    """Raises ValueError."""
    if not options.get("use_dynamic_shifting"):
        return FlowSchedule(_number(options, name, 1.0))
    if options.get("time_shift_type", "exponential") != "exponential":
        raise ValueError(f"time_shift_type {str(options['time_shift_type'])[:20]!r} is not supported")
    usual = FlowSchedule(1.0)
    shift, most = (_number(options, BY_SIZE[one], getattr(usual, one)) for one in ("base_shift", "max_shift"))
    few, many = (_number(options, BY_SIZE[one], getattr(usual, one)) for one in ("base_places", "max_places"))
    return FlowSchedule(
        1.0, by_size=True, base_shift=shift, max_shift=most, base_places=int(few), max_places=int(many)
    )


def _variance_preserving(
    options: Mapping[str, Any], kind: str, prediction: Prediction, left_out: tuple[str, ...]
) -> SchedulerSays:
    if options.get("beta_schedule") != "scaled_linear":
        raise ValueError(f"beta_schedule {str(options.get('beta_schedule'))[:80]!r} is not scaled_linear")
    spacing = options.get("timestep_spacing")
    if spacing not in (None, *SPACINGS):
        left_out, spacing = (*left_out, f"timestep_spacing {str(spacing)[:20]!r}"), None
    offset = options.get("steps_offset") or 0
    if offset not in (0, 1):
        left_out, offset = (*left_out, f"steps_offset {str(offset)[:20]}"), 1
    zero_snr = options.get("rescale_betas_zero_snr") or False
    if not isinstance(zero_snr, bool):
        raise ValueError(f"rescale_betas_zero_snr is {str(zero_snr)[:20]}, expected true or false")
    return SchedulerSays(
        prediction=prediction,
        spacing=spacing or SPACING_OF[kind],
        zero_snr=zero_snr,
        steps_offset=int(offset),
        betas=(_number(options, "beta_start"), _number(options, "beta_end")),
        left_out=left_out,
    )


def _number(options: Mapping[str, Any], name: str, usual: float | None = None) -> float:
    value = options.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} is {'missing' if value is None else str(value)[:20]}, expected a number")
    return float(min(max(value, -1e6), 1e6))  # of JSON's endless integers


def scheduler_config(diffusion: Diffusion) -> dict[str, Any]:
    """What read_diffusion reads as this."""
    schedule = diffusion.schedule
    if isinstance(schedule, FlowSchedule):
        by_size = {theirs: getattr(schedule, ours) for ours, theirs in BY_SIZE.items()}
        dynamic = {"use_dynamic_shifting": True, **by_size} if schedule.by_size else {}
        return {"_class_name": FLOW_EULER, "shift": schedule.shift, **dynamic}
    return {
        "_class_name": EULER,
        "beta_start": schedule.beta_start,
        "beta_end": schedule.beta_end,
        "beta_schedule": "scaled_linear",
        "timestep_spacing": schedule.spacing,
        "steps_offset": schedule.steps_offset,
        "num_train_timesteps": schedule.train_steps,
        "prediction_type": DIFFUSERS_WORD[diffusion.prediction],
        **({"rescale_betas_zero_snr": True} if schedule.zero_snr else {}),
    }
