"""What of a checkpoint is refused in a moment, before torch is imported: its layout, configs and headers."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from contract.families import FAMILIES, Family, family_titles
from contract.safetensors_header import BadSafetensors, read_header
from export.checkpoints.clean_folder import DIFFUSERS_FILE, TRANSFORMERS_FILE, find_weights, read_config
from export.checkpoints.network_config import CONFIGS
from export.errors import ExportError
from export.json_file import read_json

INDEX_FILE = "model_index.json"
UNET_PREFIX = "model.diffusion_model."
"""How the keys of a UNet begin in a single file."""
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


def check_early(checkpoint: Path) -> None:
    """Raises ExportError. What passes may be refused later."""
    if checkpoint.is_dir():
        _check_folder(checkpoint)
        return
    try:
        keys = read_header(checkpoint).shapes.keys()
    except (OSError, BadSafetensors) as error:
        raise ExportError(f"Cannot read {checkpoint}: {error}") from None
    if not begins(keys, UNET_PREFIX):
        raise ExportError(describe_other(checkpoint, keys))


def describe_other(path: Path, keys: Collection[str]) -> str:
    """Of a single file that no family knows."""
    for prefix, kind in OTHERS.items():
        if begins(keys, prefix):
            return f"{path} is {kind}; only {family_titles()} can be exported"
    return f"{path} is no {family_titles()} checkpoint: it lacks the text encoders' or UNet's keys"


def begins(keys: Collection[str], prefix: str) -> bool:
    return any(key.startswith(prefix) for key in keys)


def read_index(folder: Path) -> dict[str, Any]:
    try:
        return read_json(folder / INDEX_FILE)
    except ExportError as error:
        raise ExportError(f"{folder} is no diffusers checkpoint: {error}") from None


def family_of_index(index: Mapping[str, Any], folder: Path) -> Family:
    """By the pipeline that it names, else by its text encoders. Raises ExportError."""
    encoders = {name for name in index if name.startswith("text_encoder") and class_name_of(index, name)}
    by_pipeline = [row for row in FAMILIES if row.pipeline == index.get("_class_name")]
    by_encoders = [row for row in FAMILIES if {one.name for one in row.text_encoders} == encoders]
    if found := by_pipeline or by_encoders:
        return found[0]
    raise ExportError(f"{folder / INDEX_FILE} names no checkpoint of {family_titles()}")


def class_name_of(index: Mapping[str, Any], name: str) -> str | None:
    """The class in an entry ["diffusers", "UNet2DConditionModel"]; None for no entry, as for [null, null]."""
    entry = index.get(name)
    return str(entry[1]) if isinstance(entry, list) and len(entry) == 2 and entry[1] else None


def _check_folder(folder: Path) -> None:
    index = read_index(folder)
    encoders = [encoder.name for encoder in family_of_index(index, folder).text_encoders]
    for name in (*encoders, "unet", "vae"):
        network = class_name_of(index, name)
        if network is not None and network in CONFIGS:
            find_weights(folder / name, TRANSFORMERS_FILE if name in encoders else DIFFUSERS_FILE)
            read_config(folder / name, network)
