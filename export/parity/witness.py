"""The original's own schedule and steps, as diffusers reads and takes them: a second witness.

The exporter reads a schedule by tables of its own and writes its own Euler step. A mistake there would be in
the exported step and in torch's network that is built from the same reading, and they would agree. So the
original is read here once more, by diffusers' scheduler classes and, of a single file, by a search in its
text; and torch's steps are those of diffusers' Euler schedulers. No reader of schedules in export/checkpoints
is used.
"""

import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler, SchedulerMixin
from diffusers.loaders.single_file_utils import SCHEDULER_DEFAULT_CONFIG
from safetensors import safe_open
from torch import Tensor

from contract.families import Family
from contract.names import DENOISER
from contract.parts import ModelPart
from contract.schedules import FlowSchedule
from export.checkpoints.checkpoint import Checkpoint
from export.families.family import TorchFamily
from export.networks.denoiser import asked
from export.networks.networks import Network, network_of
from export.networks.part_module import PartModule

STEPS = 4
MEGAPIXEL = 128  # latents along a side
_FROM_DIFFUSERS = ("beta_start", "beta_end", "beta_schedule", "timestep_spacing", "steps_offset")
FLOW_EULER = "FlowMatchEulerDiscreteScheduler"
PUBLISHED = {
    "_class_name": "EulerDiscreteScheduler",
    **{name: SCHEDULER_DEFAULT_CONFIG[name] for name in _FROM_DIFFUSERS},
}
"""Of SDXL and SD 1.5, as diffusers has it."""
READ = (
    *("_class_name", "prediction_type", "beta_start", "beta_end", "beta_schedule", "timestep_spacing"),
    *("steps_offset", "rescale_betas_zero_snr", "shift", "flow_shift", "use_dynamic_shifting", "max_shift"),
    *("base_shift", "base_image_seq_len", "max_image_seq_len"),
)
"""Of a config; a sampler's own options, which a stranger wrote, might be refused in diffusers' own words."""
# Options of samplers that have nothing to do with the trained noise levels.
EULER_ONLY = {
    "use_karras_sigmas": False,
    "use_exponential_sigmas": False,
    "use_beta_sigmas": False,
    "interpolation_type": "linear",
    "final_sigmas_type": "zero",
}
SAYS = r"[\"']?\s*[=:]\s*[\"']?"
PREDICTS = re.compile(
    rf"(?:predict\w*|parameteri[sz]ation){SAYS}"
    r"(?:v(?:[-_ ]?pred\w*|elocity)?\b|(?P<epsilon>eps)|(?P<flow>(?:rectified[-_ ]?)?flow))"
    rf"|(?:v_parameterization|v_pred\w*){SAYS}(?:true|1)|denoiser_scaling\.vscaling\b",
    re.IGNORECASE,
)
SPACING = re.compile(rf"timestep_spacing{SAYS}(leading|trailing|linspace)")
ZERO_SNR = re.compile(
    rf"(?:zero_(?:terminal_)?snr|zt?snr|rescale_betas_zero_snr){SAYS}(?:true|1|yes)", re.IGNORECASE
)
MAX_TEXT = 1 << 16  # characters of one entry of metadata
# Ours → diffusers', of names and of values.
WORDS = {
    "prediction": "prediction_type",
    "spacing": "timestep_spacing",
    "zero_snr": "rescale_betas_zero_snr",
    "v": "v_prediction",
}
IS_IT = "is it --prediction"
LIKE_V, LIKE_EPSILON = 0.5, 0.8  # likeness of a UNet's answer to the noise that it is given


@dataclass(frozen=True)
class Witness:
    config: Mapping[str, Any]  # of a scheduler of diffusers, as the original has it
    imposed: Mapping[str, Any]  # what was not the original's to say: prediction, spacing, zero_snr
    to_least: bool = False  # whether the family's pipeline leaves the levels to the scheduler

    def scheduler(self, height: int = MEGAPIXEL, width: int = MEGAPIXEL) -> Any:
        """Set to STEPS steps, for a picture of so many latents."""
        with warnings.catch_warnings():
            # diffusers turns tensors into arrays in a way that numpy 2 deprecates.
            warnings.filterwarnings("ignore", "__array_", DeprecationWarning)
            found = self._flow() if self._predicts_flow() else self._euler()
            if isinstance(found, FlowMatchEulerDiscreteScheduler):
                levels = None if self.to_least else [1 - step / STEPS for step in range(STEPS)]
                found.set_timesteps(STEPS, sigmas=levels, mu=_mu(found.config, height, width))
            else:
                found.set_timesteps(STEPS)
        return found

    def levels(self, height: int = MEGAPIXEL, width: int = MEGAPIXEL) -> tuple[Tensor, float]:
        """STEPS + 1 falling noise levels, the last 0, and what the first noise is multiplied by."""
        found = self.scheduler(height, width)
        flow = isinstance(found, FlowMatchEulerDiscreteScheduler)
        return found.sigmas.float(), 1.0 if flow else float(found.init_noise_sigma)

    def _predicts_flow(self) -> bool:
        if "prediction" in self.imposed:
            return bool(self.imposed["prediction"] == "flow")
        flow_class = str(self.config["_class_name"]).startswith("FlowMatch")
        return flow_class or self.config.get("prediction_type") == "flow_prediction"

    def _flow(self) -> FlowMatchEulerDiscreteScheduler:
        if str(self.config["_class_name"]).startswith("FlowMatch"):
            return FlowMatchEulerDiscreteScheduler.from_config(
                dict(self.config),
                shift_terminal=None,
                **{one: False for one in EULER_ONLY if "use_" in one},
            )
        return FlowMatchEulerDiscreteScheduler(shift=float(self.config.get("flow_shift", 3.0)))

    def _euler(self) -> EulerDiscreteScheduler:
        config = self.config if "beta_start" in self.config else PUBLISHED
        theirs: Any = getattr(diffusers, str(config["_class_name"]), None)
        if not isinstance(theirs, type) or not issubclass(theirs, SchedulerMixin):
            theirs = EulerDiscreteScheduler
        imposed = {WORDS[name]: WORDS.get(str(value), value) for name, value in self.imposed.items()}
        if config.get("steps_offset") not in (None, 0, 1):  # which no model was trained with
            imposed["steps_offset"] = 1
        original = theirs.from_config(dict(config)).config
        # A default of the original's class would give way to Euler's own.
        usual = {"timestep_spacing": original.get("timestep_spacing", "linspace")}
        return EulerDiscreteScheduler.from_config(original, **{**EULER_ONLY, **usual, **imposed})


def _mu(config: Mapping[str, Any], height: int, width: int) -> float:
    """The shift's logarithm by size, as diffusers' pipelines of flow models compute it."""
    few, many = config["base_image_seq_len"], config["max_image_seq_len"]
    low, high = config["base_shift"], config["max_shift"]
    slope = (high - low) / (many - few)
    return float((height // 2) * (width // 2) * slope + low - slope * few)


def read_witness(
    original: Path, like: Path | None, imposed: Mapping[str, Any], family: Family | None = None
) -> Witness:
    """`original`, `like`: as given to the export."""
    published = family.diffusion.schedule if family else None
    usual: dict[str, Any] = PUBLISHED
    if isinstance(published, FlowSchedule):
        usual = {
            "_class_name": FLOW_EULER,
            "shift": published.shift,
            "use_dynamic_shifting": published.by_size,
            "base_shift": published.base_shift,
            "max_shift": published.max_shift,
            "base_image_seq_len": published.base_places,
            "max_image_seq_len": published.max_places,
        }
    config = _config_of(original if original.is_dir() else like, usual)
    if original.is_file():
        says = _says(original)
        flows = str(config.get("_class_name")).startswith("FlowMatch")
        other = flows and says.get("prediction_type") in ("epsilon", "v_prediction")
        config = {**(PUBLISHED if other else config), **says}
    return Witness(config, imposed, isinstance(published, FlowSchedule) and published.least > 0)


def _config_of(folder: Path | None, usual: dict[str, Any]) -> dict[str, Any]:
    file = folder / "scheduler" / "scheduler_config.json" if folder else None
    if file is None or not file.is_file():
        return usual
    found = json.loads(file.read_bytes())
    if found.get("timestep_spacing") not in ("leading", "trailing", "linspace"):
        found.pop("timestep_spacing", None)
    for name in ("max_shift", "base_shift"):
        if not isinstance(found.get(name), int | float):
            found.pop(name, None)
    return {name: found[name] for name in READ if isinstance(found.get(name), str | int | float)}


def _says(path: Path) -> dict[str, Any]:
    """Of prediction and zero SNR; a mark among the tensors counts before the first that is in the text."""
    with safe_open(path, framework="pt") as file:
        keys, notes = set(file.keys()), file.metadata() or {}
    texts = [f"{key}={text}" for key, text in notes.items() if len(text) < MAX_TEXT]
    beside = path.with_suffix(".yaml")
    text = "\n".join([*texts, beside.read_text(errors="replace")[:MAX_TEXT] if beside.is_file() else ""])
    found: dict[str, Any] = {}
    if {"v_pred", "vpred", "v_prediction"} & {key.lower() for key in keys}:
        found["prediction_type"] = "v_prediction"
    elif match := PREDICTS.search(text):
        kind = {"flow": "flow_prediction", "epsilon": "epsilon"}.get(str(match.lastgroup), "v_prediction")
        found["prediction_type"] = kind
    if {"ztsnr", "zsnr", "zero_snr"} & {key.lower() for key in keys} or ZERO_SNR.search(text):
        found["rescale_betas_zero_snr"] = True
    if match := SPACING.search(text):
        found["timestep_spacing"] = match[1]
    return found


class SchedulerDenoiser(PartModule):
    """One step of one picture: network and guidance here, everything around them by diffusers' scheduler."""

    def __init__(self, part: ModelPart, network: Any, witness: Witness, family: TorchFamily) -> None:
        super().__init__(part)
        self.network, self._predict = network, family.predict
        self.likeness: float | None = None  # of the first answer to the noise that it was made of, -1 to 1
        self._witness = witness

    def compute(self, inputs: Mapping[str, Tensor]) -> Tensor:
        latents = inputs["latents"]
        scheduler = self._witness.scheduler(*latents.shape[2:])
        step = int((scheduler.sigmas - inputs["sigma"][0, 0]).abs().argmin())
        scheduler.set_begin_index(step)
        timestep = scheduler.timesteps[step]
        flow = isinstance(scheduler, FlowMatchEulerDiscreteScheduler)
        scaled = latents if flow else scheduler.scale_model_input(latents, timestep)
        output = self._predict(self.network, asked(inputs, scaled, timestep.reshape(1)))
        if len(output) == 2 * len(latents):
            negative, positive = output.chunk(2)
            if self.likeness is None:
                self.likeness = float(torch.cosine_similarity(positive.flatten(), scaled.flatten(), dim=0))
            output = negative + inputs["guidance"][:, :, None, None] * (positive - negative)
        found: Tensor = scheduler.step(output, timestep, latents, return_dict=False)[0]
        return found


def witness_of(checkpoint: Checkpoint, part: str, witness: Witness) -> Network:
    """torch's network for a part, in fp32; the denoiser with the original's own steps."""
    network = network_of(checkpoint, part)
    if part != DENOISER:
        return network
    module = SchedulerDenoiser(network.part, checkpoint.denoiser, witness, checkpoint.family)
    return replace(network, module=module)


def doubt(prediction: str, likeness: float | None) -> str | None:
    """What a trained UNet's answer to noise alone says against the prediction that was chosen.

    It finds the noise again if it predicts epsilon, and the picture, which is not there, if it predicts v.
    """
    if likeness is None or prediction == "flow":
        return None
    if prediction == "epsilon" and likeness < LIKE_V:
        return f"the UNet answers noise as v_prediction does ({likeness:.2f}, not 1); {IS_IT} v_prediction?"
    if prediction == "v" and likeness > LIKE_EPSILON:
        return f"the UNet answers noise as epsilon does ({likeness:.2f}, not 0); {IS_IT} epsilon?"
    return None
