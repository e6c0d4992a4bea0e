"""A checkpoint in .safetensors files, as model sites publish them, unpacked into diffusers' layout.

Files hold weights only: sizes come from the family's table, tokenizers from CLIP and T5; or both from a
folder in diffusers' layout that the caller names.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from contract.schedules import Diffusion
from export.checkpoints.checkpoint_files import Place, config_of, family_of_keys, open_files
from export.checkpoints.clean_folder import CONFIG_FILE, written_config
from export.checkpoints.clip_tokenizer import write_clip_tokenizer
from export.checkpoints.early_check import INDEX_FILE, family_of_index, read_index
from export.checkpoints.fp8 import scaled
from export.checkpoints.other_kinds import open_header
from export.checkpoints.schedule_choice import (
    NO_OPTIONS,
    ScheduleChoice,
    ScheduleOptions,
    choose_for_file,
)
from export.checkpoints.scheduler import scheduler_config
from export.checkpoints.t5_tokenizer import write_t5_tokenizer
from export.checkpoints.tokenizer import copy_tokenizer
from export.checkpoints.vae_file import read_vae
from export.errors import ROOM, ExportError, first_line
from export.families.family import Source, Tensors, TorchFamily, torch_family


def unpack(
    path: Path,
    folder: Path,
    like: Path | None = None,
    options: ScheduleOptions = NO_OPTIONS,
    vae: Path | None = None,
    text_encoders: Sequence[Path] = (),
) -> None:
    """Writes `folder`, which must not exist.

    `like`: a folder whose configs and tokenizers are taken; `vae`, `text_encoders`: in place of the file's
    own. Raises ExportError for anything but a whole checkpoint of a family that is published in this form.
    """
    files = open_files(path, text_encoders=text_encoders, has_vae=vae is not None, like=like)
    family, diffusion = torch_family(files.family), schedule_of_file(path, like, options).diffusion
    for name, kind in family.networks.items():
        config = config_of(family.row, name, kind.__name__, like)
        source = path
        try:
            if name == "vae" and vae:
                source = vae
                config, state = read_vae(vae, family, config)
            else:
                source = files.places[name].path
                state = _read_state(files.places[name], _sources(family)[name].prefix)
            _unpack_network(name, family, state, config, folder / name)
        except (OSError, SafetensorError) as error:
            raise ExportError(f"Cannot read {source}: {first_line(error)}") from None
        except BadSize as error:
            named = f"the configs in {like}" if like else f"{family.row.title} as published"
            raise ExportError(
                f"{source} is not whole, or not of the sizes of {named}: {error}; "
                "name a folder in diffusers' layout that has its configs: --like FOLDER"
            ) from None
    _write_rest(folder, family, like, diffusion)


def replace_vae(checkpoint: Path, folder: Path, vae: Path) -> None:
    """Fills `folder` with links to a checkpoint in diffusers' layout, and another VAE. Raises ExportError."""
    family = torch_family(family_of_index(read_index(checkpoint), checkpoint))
    if not family.sources:
        raise ExportError(f"--vae is not for {family.row.title}; put its files into {checkpoint / 'vae'}")
    own = checkpoint if (checkpoint / "vae" / CONFIG_FILE).exists() else None
    usual = config_of(family.row, "vae", "AutoencoderKL", own)
    config, state = read_vae(vae, family, usual)
    try:
        _unpack_network("vae", family, state, config, folder / "vae")
    except BadSize as error:
        raise ExportError(f"{vae} is not whole, or not of this checkpoint's sizes: {error}") from None
    for path in checkpoint.iterdir():
        if path.is_dir() and path.name != "vae":
            (folder / path.name).symlink_to(path.resolve())
    index = {**read_index(checkpoint), "vae": ["diffusers", "AutoencoderKL"]}
    (folder / INDEX_FILE).write_text(json.dumps(index) + "\n")


class BadSize(Exception):
    """Which weight is missing or has another shape, in a few words."""


def schedule_of_file(path: Path, like: Path | None, options: ScheduleOptions) -> ScheduleChoice:
    """Raises ExportError."""
    header = open_header(path)
    return choose_for_file(path, header, family_of_keys(path, header.shapes), like, options)


def _sources(family: TorchFamily) -> Mapping[str, Source]:
    assert family.sources  # as open_files lets through
    return family.sources


def _unpack_network(
    name: str, family: TorchFamily, state: dict[str, torch.Tensor], config: Mapping[str, Any], folder: Path
) -> None:
    """One at a time, so that no more than one is in memory. Weights keep their type. Raises BadSize."""
    network = family.empty_network(name, config)
    try:
        converted = _sources(family)[name].convert(network, state)
    except Exception as error:  # what the conversions raise of half a file: many kinds
        raise BadSize(f"{name}: {first_line(error)}") from None
    wanted = dict(network.named_parameters())  # those that are tied to others once
    kept = {key: value.contiguous() for key, value in converted.items() if key in wanted}
    _check_sizes(name, kept, wanted)
    folder.mkdir(parents=True)
    _save(kept, folder / family.weights_file(name))
    (folder / CONFIG_FILE).write_text(written_config(family.networks[name], config))


def _check_sizes(name: str, found: Tensors, wanted: Tensors) -> None:
    """Raises BadSize."""
    missing = [key for key in wanted if key not in found]
    if missing:
        raise BadSize(f"{len(missing)} weights of its {name} are missing, such as {missing[0]}")
    for key, value in wanted.items():
        if found[key].shape != value.shape:
            raise BadSize(f"its {name}'s {key} is {[*found[key].shape]}, expected {[*value.shape]}")


def _read_state(place: Place, prefix: str) -> dict[str, torch.Tensor]:
    """`prefix`: that its keys get in place of their own."""
    keys = [key for key in place.header.shapes if key.startswith(place.prefix)]
    with safe_open(place.path, framework="pt") as file:
        return scaled({prefix + key.removeprefix(place.prefix): file.get_tensor(key) for key in keys})


def _save(state: Mapping[str, torch.Tensor], path: Path) -> None:
    try:
        save_file(dict(state), path, metadata={"format": "pt"})
    except SafetensorError as error:  # the library has no other kind for a full disk
        raise ExportError(f"Cannot write {path}: {first_line(error)}{ROOM}") from None


def _write_rest(folder: Path, family: TorchFamily, like: Path | None, diffusion: Diffusion) -> None:
    """Tokenizers, scheduler and index."""
    for encoder in family.row.text_encoders:
        if like is not None:
            copy_tokenizer(like / encoder.tokenizer, folder / encoder.tokenizer)
        elif family.networks[encoder.name].__name__.startswith("T5"):
            write_t5_tokenizer(folder / encoder.tokenizer)
        else:
            write_clip_tokenizer(folder / encoder.tokenizer, encoder.pad)
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(
        json.dumps(scheduler_config(diffusion), indent=2) + "\n"
    )
    index = {name: [family.library(name), kind.__name__] for name, kind in family.networks.items()}
    (folder / INDEX_FILE).write_text(json.dumps({"_class_name": family.row.pipeline, **index}) + "\n")
