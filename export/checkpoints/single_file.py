"""A checkpoint in one .safetensors file, as model sites publish them, unpacked into diffusers' layout.

diffusers' own conversions do the renaming. The file holds weights only: sizes come from the family's table,
tokenizers from CLIP and T5; or both from a folder in diffusers' layout that the caller names.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from contract.names import TEXT_ENCODER_T5
from contract.schedules import Diffusion
from export.checkpoints.clean_folder import CONFIG_FILE, read_config, written_config
from export.checkpoints.clip_tokenizer import write_clip_tokenizer
from export.checkpoints.early_check import (
    INDEX_FILE,
    family_of_index,
    family_of_keys,
    is_like,
    read_index,
)
from export.checkpoints.fp8 import scaled
from export.checkpoints.other_kinds import Place, check_file, open_files
from export.checkpoints.qwen_tokenizer import write_qwen_tokenizer
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
from export.families.family import Tensors, TorchFamily, torch_family


def unpack(
    path: Path,
    folder: Path,
    like: Path | None = None,
    options: ScheduleOptions = NO_OPTIONS,
    vae: Path | None = None,
    text_encoders: Sequence[Path] = (),
) -> None:
    """Writes `folder`, which must not exist.

    `like`: a folder whose configs and tokenizers are taken; `vae`: in place of the file's own;
    `text_encoders`: files of those that it lacks. Raises ExportError for anything but a whole checkpoint of a
    family that is published in this form.
    """
    files = open_files(path, text_encoders)
    check_file(path, files.header, has_vae=vae is not None)
    family = torch_family(family_of_keys(path, files.keys))
    diffusion = schedule_of_file(path, like, options, text_encoders).diffusion
    try:
        for name in family.networks:
            config = _config(name, family, like)
            if name == "vae" and vae:
                config, state = read_vae(vae, family, config)
            else:
                prefix = family.single_file.sources[name].prefix  # type: ignore[union-attr]
                state = _read_state(files.place(prefix), prefix)
            _unpack_network(name, family, state, config, folder / name)
    except (OSError, SafetensorError) as error:
        raise ExportError(f"Cannot read {path}: {first_line(error)}") from None
    except BadSize as error:
        named = f"the configs in {like}" if like else f"{family.row.title} as published"
        denoiser = folder / family.row.denoiser
        blamed = vae if vae and not (folder / "vae").exists() and denoiser.exists() else path
        raise ExportError(
            f"{blamed} is not whole, or not of the sizes of {named}: {error}; "
            "name a folder in diffusers' layout that has its configs: --like FOLDER"
        ) from None
    _write_rest(folder, family, like, diffusion)


def replace_vae(checkpoint: Path, folder: Path, vae: Path) -> None:
    """Fills `folder` with links to a checkpoint in diffusers' layout, and another VAE. Raises ExportError."""
    family = torch_family(family_of_index(read_index(checkpoint), checkpoint))
    if not family.single_file:
        raise ExportError(f"--vae is not for {family.row.title}; put its files into {checkpoint / 'vae'}")
    own = checkpoint / "vae"
    usual = (
        read_config(own, "AutoencoderKL") if (own / CONFIG_FILE).exists() else _config("vae", family, None)
    )
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


def schedule_of_file(
    path: Path, like: Path | None, options: ScheduleOptions, text_encoders: Sequence[Path] = ()
) -> ScheduleChoice:
    """Raises ExportError."""
    files = open_files(path, text_encoders)
    return choose_for_file(path, files.header, family_of_keys(path, files.keys), like, options)


def _unpack_network(
    name: str, family: TorchFamily, state: dict[str, torch.Tensor], config: Mapping[str, Any], folder: Path
) -> None:
    """One at a time, so that no more than one is in memory. Weights keep their type. Raises BadSize."""
    assert family.single_file
    network = family.empty_network(name, config)
    try:
        converted = family.single_file.sources[name].convert(network, state)
    except Exception as error:  # what the conversions raise of half a file: many kinds
        raise BadSize(f"{name}: {first_line(error)}") from None
    # A weight that has two names in the network (T5's embeddings) is there once.
    own = {*dict(network.named_parameters()), *dict(network.named_buffers())}
    wanted = {key: value for key, value in network.state_dict().items() if key in own}
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
    with safe_open(place.path, framework="pt") as file:
        keys = [key for key in file.keys() if key.startswith(place.prefix)]  # noqa: SIM118
        return scaled({prefix + key.removeprefix(place.prefix): file.get_tensor(key) for key in keys})


def _save(state: Mapping[str, torch.Tensor], path: Path) -> None:
    try:
        save_file(dict(state), path, metadata={"format": "pt"})
    except SafetensorError as error:  # the library has no other kind for a full disk
        raise ExportError(f"Cannot write {path}: {first_line(error)}{ROOM}") from None


def _config(name: str, family: TorchFamily, like: Path | None) -> Mapping[str, Any]:
    if not is_like(like, name, family.row):
        assert family.single_file
        return family.single_file.configs[name]
    return read_config(like / name, family.networks[name].__name__)


def _write_rest(folder: Path, family: TorchFamily, like: Path | None, diffusion: Diffusion) -> None:
    """Tokenizers, scheduler and index."""
    for encoder in family.row.text_encoders:
        if is_like(like, encoder.tokenizer, family.row):
            copy_tokenizer(like / encoder.tokenizer, folder / encoder.tokenizer)
        elif encoder.part == TEXT_ENCODER_T5:
            write_t5_tokenizer(folder / encoder.tokenizer)
        elif encoder.template:
            write_qwen_tokenizer(folder / encoder.tokenizer)
        else:
            write_clip_tokenizer(folder / encoder.tokenizer, encoder.pad)
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(
        json.dumps(scheduler_config(diffusion), indent=2) + "\n"
    )
    index = {name: [family.library(name), kind.__name__] for name, kind in family.networks.items()}
    told = {"_class_name": family.row.pipeline, "_name_or_path": family.row.title}
    (folder / INDEX_FILE).write_text(json.dumps({**told, **index}) + "\n")
