"""A checkpoint in one .safetensors file, as model sites publish them, unpacked into diffusers' layout.

diffusers' own conversions do the renaming. The file holds weights only: sizes come from the family's table,
tokenizers from CLIP; or both from a folder in diffusers' layout that the caller names.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.loaders import single_file_utils as conversions
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from export.checkpoints.checkpoint import NETWORKS, empty_network
from export.checkpoints.clip_tokenizer import write_clip_tokenizer
from export.checkpoints.scheduler import Prediction
from export.errors import ROOM, ExportError, first_line
from export.families.published import BETAS, SD15, SDXL, Family

State = Mapping[str, torch.Tensor]
UNET, VAE = "model.diffusion_model.", "first_stage_model."
CLIP_L, BIG_G = "conditioner.embedders.0.transformer.", "conditioner.embedders.1.model."
SD_CLIP = "cond_stage_model.transformer."
# What else such a file may be, by how some of its keys begin.
OTHERS = {
    "cond_stage_model.model.": "Stable Diffusion 2",
    "conditioner.embedders.0.model.": "the SDXL refiner",
    "model.diffusion_model.joint_blocks.": "Stable Diffusion 3",
    "model.diffusion_model.double_blocks.": "FLUX",
    "double_blocks.": "FLUX",
    "lora_": "a LoRA; `imgen character add` takes it",
    "control_model.": "a ControlNet",
}
SCHEDULERS = {
    "epsilon": {"_class_name": "EulerDiscreteScheduler", **BETAS, "prediction_type": "epsilon"},
    "v": {"_class_name": "EulerDiscreteScheduler", **BETAS, "prediction_type": "v_prediction"},
    "flow": {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0},
}


def unpack(path: Path, folder: Path, like: Path | None = None, prediction: Prediction | None = None) -> None:
    """Writes `folder`, which must not exist. `like`: a folder whose configs and tokenizers are taken.

    Raises ExportError for anything but a whole SDXL or SD 1.5 checkpoint.
    """
    try:
        with safe_open(path, framework="pt") as file:
            keys = list(file.keys())
            family = _family(path, keys)
            scheduler = _scheduler(keys, file.metadata() or {}, prediction)
            for name, source in SOURCES[family.name].items():
                _unpack_network(name, source, file, _config(name, family, like), folder / name)
    except (OSError, SafetensorError) as error:
        raise ExportError(f"Cannot read {path}: {first_line(error)}") from None
    except (KeyError, RuntimeError, IndexError) as error:  # what the conversions raise of half a file
        raise ExportError(f"{path} is not whole, or of another size: {first_line(error)}") from None
    _write_rest(folder, family, like, scheduler)


def _family(path: Path, keys: list[str]) -> Family:
    for prefix, family in ((BIG_G, SDXL), (SD_CLIP, SD15)):
        if any(key.startswith(prefix) for key in keys) and any(key.startswith(UNET) for key in keys):
            return family
    for prefix, kind in OTHERS.items():
        if any(key.startswith(prefix) for key in keys):
            raise ExportError(f"{path} is {kind}; only SDXL and SD 1.5 checkpoints can be exported")
    raise ExportError(f"{path} is no SDXL or SD 1.5 checkpoint: it lacks the text encoders' or UNet's keys")


def _scheduler(
    keys: Iterable[str], metadata: Mapping[str, str], prediction: Prediction | None
) -> Mapping[str, Any]:
    """By what the file's makers marked it with, else epsilon, which both families were published with."""
    says_v = "v_pred" in keys or metadata.get("modelspec.prediction_type") == "v"
    found = SCHEDULERS[prediction or ("v" if says_v else "epsilon")]
    if "ztsnr" not in keys:
        return found
    # Its first step must be the last timestep, which is what such a model was trained for.
    return {**found, "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}


@dataclass(frozen=True)
class Source:
    """Where a network's weights are in the file, and how they get diffusers' names."""

    prefix: str
    convert: Callable[[Any, dict[str, torch.Tensor]], State]  # of the empty network and the weights


def _unet(network: Any, state: dict[str, torch.Tensor]) -> State:
    found: State = conversions.convert_ldm_unet_checkpoint(state, network.config)
    return found


def _vae(network: Any, state: dict[str, torch.Tensor]) -> State:
    found: State = conversions.convert_ldm_vae_checkpoint(state, network.config)
    return found


def _clip(prefix: str) -> Source:
    return Source(prefix, lambda _, state: conversions.convert_ldm_clip_checkpoint(state, prefix))


def _open_clip(network: Any, state: dict[str, torch.Tensor]) -> State:
    found: State = conversions.convert_open_clip_checkpoint(network, state, BIG_G)
    return found


BOTH = {"unet": Source(UNET, _unet), "vae": Source(VAE, _vae)}
SOURCES = {
    SDXL.name: {"text_encoder": _clip(CLIP_L), "text_encoder_2": Source(BIG_G, _open_clip), **BOTH},
    SD15.name: {"text_encoder": _clip(SD_CLIP), **BOTH},
}


def _unpack_network(name: str, source: Source, file: Any, config: Mapping[str, Any], folder: Path) -> None:
    """One at a time, so that no more than one is in memory. Weights keep their type."""
    network = empty_network(name, config)
    state = {key: file.get_tensor(key) for key in file.keys() if key.startswith(source.prefix)}  # noqa: SIM118
    converted = source.convert(network, state)
    wanted = network.state_dict()
    kept = {key: value.contiguous() for key, value in converted.items() if key in wanted}
    folder.mkdir(parents=True)
    file_name = "model" if NETWORKS[name].__module__.startswith("transformers") else "diffusion_pytorch_model"
    _save(kept, folder / f"{file_name}.safetensors")
    written = network.config if hasattr(network.config, "to_dict") else None
    text = json.dumps(written.to_dict() if written else dict(network.config), indent=2, default=str)
    (folder / "config.json").write_text(text + "\n")


def _save(state: State, path: Path) -> None:
    try:
        save_file(dict(state), path, metadata={"format": "pt"})
    except SafetensorError as error:  # the library has no other kind for a full disk
        raise ExportError(f"Cannot write {path}: {first_line(error)}{ROOM}") from None


def _config(name: str, family: Family, like: Path | None) -> Mapping[str, Any]:
    if like is None:
        return family.configs[name]
    try:
        config: dict[str, Any] = json.loads((like / name / "config.json").read_bytes())
    except (OSError, ValueError) as error:
        raise ExportError(f"Cannot read {like / name / 'config.json'}: {first_line(error)}") from None
    return config


def _write_rest(folder: Path, family: Family, like: Path | None, scheduler: Mapping[str, Any]) -> None:
    """Tokenizers, scheduler and index."""
    for tokenizer, pad in family.pads.items():
        if like is None:
            write_clip_tokenizer(folder / tokenizer, pad)
        else:
            shutil.copytree(like / tokenizer, folder / tokenizer)
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler, indent=2) + "\n")
    index = {
        name: [NETWORKS[name].__module__.partition(".")[0], NETWORKS[name].__name__]
        for name in family.configs
    }
    (folder / "model_index.json").write_text(json.dumps({"_class_name": family.pipeline, **index}) + "\n")
