"""A checkpoint in one .safetensors file, as model sites publish them, unpacked into diffusers' layout.

diffusers' own conversions do the renaming. The file holds weights only: sizes come from the family's table,
tokenizers from CLIP; or both from a folder in diffusers' layout that the caller names.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from contract.families import Family
from contract.safetensors_header import BadSafetensors, read_header
from contract.schedules import Diffusion, FlowSchedule, Prediction
from export.checkpoints.clean_folder import CONFIG_FILE, read_config, written_config
from export.checkpoints.clip_tokenizer import write_clip_tokenizer
from export.checkpoints.early_check import INDEX_FILE, UNET_PREFIX, begins, describe_other
from export.checkpoints.scheduler import scheduler_config
from export.checkpoints.tokenizer import copy_tokenizer
from export.errors import ROOM, ExportError, first_line
from export.families.family import TorchFamily, torch_families

FLOW_SHIFT = 3.0  # of a file that is said to predict flow


def unpack(path: Path, folder: Path, like: Path | None = None, prediction: Prediction | None = None) -> None:
    """Writes `folder`, which must not exist. `like`: a folder whose configs and tokenizers are taken.

    Raises ExportError for anything but a whole checkpoint of a family that is published in this form.
    """
    try:
        header = read_header(path)
        family = _family(path, header.shapes)
        diffusion = _diffusion(family.row, header.shapes, header.metadata, prediction)
        with safe_open(path, framework="pt") as file:
            for name in family.networks:
                _unpack_network(name, family, file, _config(name, family, like), folder / name)
    except (OSError, SafetensorError, BadSafetensors) as error:
        raise ExportError(f"Cannot read {path}: {first_line(error)}") from None
    except (KeyError, RuntimeError, IndexError) as error:  # what the conversions raise of half a file
        raise ExportError(f"{path} is not whole, or of another size: {first_line(error)}") from None
    _write_rest(folder, family, like, diffusion)


def _family(path: Path, keys: Collection[str]) -> TorchFamily:
    for family in torch_families():
        if family.single_file and begins(keys, family.single_file.marker) and begins(keys, UNET_PREFIX):
            return family
    raise ExportError(describe_other(path, keys))


def _diffusion(
    family: Family, keys: Iterable[str], metadata: Mapping[str, str], prediction: Prediction | None
) -> Diffusion:
    """By what the file's makers marked it with, else as the family was published."""
    says_v = "v_pred" in keys or metadata.get("modelspec.prediction_type") == "v"
    predicts = prediction or ("v" if says_v else family.diffusion.prediction)
    usual = family.diffusion.schedule
    if predicts == "flow":
        return Diffusion("flow", usual if isinstance(usual, FlowSchedule) else FlowSchedule(FLOW_SHIFT))
    try:
        if "ztsnr" in keys and not isinstance(usual, FlowSchedule):
            # Its first step must be the last timestep, which is what such a model was trained for.
            usual = replace(usual, zero_snr=True, spacing="trailing")
        return Diffusion(predicts, usual)
    except ValueError as error:
        raise ExportError(f"{error} (for a file: --prediction v)") from None


def _unpack_network(
    name: str, family: TorchFamily, file: Any, config: Mapping[str, Any], folder: Path
) -> None:
    """One at a time, so that no more than one is in memory. Weights keep their type."""
    assert family.single_file
    source = family.single_file.sources[name]
    network = family.empty_network(name, config)
    state = {key: file.get_tensor(key) for key in file.keys() if key.startswith(source.prefix)}  # noqa: SIM118
    converted = source.convert(network, state)
    wanted = network.state_dict()
    kept = {key: value.contiguous() for key, value in converted.items() if key in wanted}
    folder.mkdir(parents=True)
    _save(kept, folder / family.weights_file(name))
    (folder / CONFIG_FILE).write_text(written_config(family.networks[name], config))


def _save(state: Mapping[str, torch.Tensor], path: Path) -> None:
    try:
        save_file(dict(state), path, metadata={"format": "pt"})
    except SafetensorError as error:  # the library has no other kind for a full disk
        raise ExportError(f"Cannot write {path}: {first_line(error)}{ROOM}") from None


def _config(name: str, family: TorchFamily, like: Path | None) -> Mapping[str, Any]:
    if like is None:
        assert family.single_file
        return family.single_file.configs[name]
    return read_config(like / name, family.networks[name].__name__)


def _write_rest(folder: Path, family: TorchFamily, like: Path | None, diffusion: Diffusion) -> None:
    """Tokenizers, scheduler and index."""
    for encoder in family.row.text_encoders:
        if like is None:
            write_clip_tokenizer(folder / encoder.tokenizer, encoder.pad)
        else:
            copy_tokenizer(like / encoder.tokenizer, folder / encoder.tokenizer)
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(
        json.dumps(scheduler_config(diffusion), indent=2) + "\n"
    )
    index = {name: [family.library(name), kind.__name__] for name, kind in family.networks.items()}
    (folder / INDEX_FILE).write_text(json.dumps({"_class_name": family.row.pipeline, **index}) + "\n")
