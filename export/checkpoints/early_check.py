"""What of a checkpoint is refused in a moment, before torch is imported: its layout, configs and headers."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from contract.families import FAMILIES, Family, family_titles
from export.checkpoints.clean_folder import DIFFUSERS_FILE, TRANSFORMERS_FILE, find_weights, read_config
from export.checkpoints.network_config import CONFIGS
from export.checkpoints.other_kinds import (
    SAY_VAE,
    begins,
    check_file,
    check_quantised,
    check_unet_config,
    describe_other,
    open_files,
)
from export.errors import ExportError
from export.json_file import read_json
from export.single_file_keys import SINGLE_FILES, TEXT_PREFIXES, UNET_PREFIX

INDEX_FILE = "model_index.json"


def check_early(checkpoint: Path, vae: Path | None = None, text_encoders: Sequence[Path] = ()) -> None:
    """`vae`: that is to take the place of its own; `text_encoders`: files of a single file's. Raises
    ExportError. What passes may be refused later."""
    if checkpoint.is_dir() and text_encoders:
        raise ExportError("--text-encoder is for single files; a folder has text encoders of its own")
    if checkpoint.is_dir():
        _check_folder(checkpoint, has_vae=vae is not None)
        return
    files = open_files(checkpoint, text_encoders)
    check_file(checkpoint, files.header, has_vae=vae is not None)
    family = family_of_keys(checkpoint, files.keys)
    if text_encoders and family.name not in TEXT_PREFIXES:
        raise ExportError(f"--text-encoder is not for {family.title}, whose files hold their text encoders")


def check_tokenizers(path: Path, family: Family, like: Path | None) -> None:
    """Of a single file: CLIP's is known, others are not in it. Raises ExportError."""
    for encoder in family.text_encoders:
        if encoder.window is not None and not (like and (like / encoder.tokenizer).is_dir()):
            raise ExportError(
                f"{path} has no {encoder.tokenizer}; name a folder that has one, such as that of the "
                "published model in diffusers' layout: --like FOLDER"
            )


def is_like(like: Path | None, name: str, family: Family) -> TypeGuard[Path]:
    """Whether a config or tokenizer of a single file is taken from the folder `like`. Of a family whose files
    are published apart, the folder need not have them all."""
    return like is not None and (family.name not in TEXT_PREFIXES or (like / name).is_dir())


def family_of_checkpoint(checkpoint: Path, text_encoders: Sequence[Path] = ()) -> Family:
    """Of a folder or a single file. Raises ExportError."""
    if checkpoint.is_dir():
        return family_of_index(read_index(checkpoint), checkpoint)
    return family_of_keys(checkpoint, open_files(checkpoint, text_encoders).keys)


def family_of_keys(path: Path, keys: Collection[str]) -> Family:
    """Of a single file. Raises ExportError."""
    for family in FAMILIES:
        markers = SINGLE_FILES.get(family.name, ())
        if markers and all(begins(keys, marker) for marker in (*markers, UNET_PREFIX)):
            return family
    raise ExportError(describe_other(path, keys))


def read_index(folder: Path) -> dict[str, Any]:
    try:
        return read_json(folder / INDEX_FILE)
    except ExportError as error:
        raise ExportError(f"{folder} is no diffusers checkpoint: {error}") from None


def family_of_index(index: Mapping[str, Any], folder: Path) -> Family:
    """By the pipeline that it names, else by its denoiser and text encoders. Raises ExportError."""
    encoders = {name for name in index if name.startswith("text_encoder") and class_name_of(index, name)}
    by_pipeline = [row for row in FAMILIES if row.pipeline == index.get("_class_name")]
    by_encoders = [
        row
        for row in FAMILIES
        if {one.name for one in row.text_encoders} == encoders and class_name_of(index, row.denoiser)
    ]
    both = [row for row in by_pipeline if row in by_encoders]
    if found := both or by_pipeline or by_encoders:
        return found[0]
    known = f"only {family_titles()} can be exported"
    raise ExportError(f"{folder / INDEX_FILE} is of {pipeline_of(index)}; {known}")


def pipeline_of(index: Mapping[str, Any]) -> str:
    """diffusers' name for the kind of model."""
    return str(index.get("_class_name") or "no pipeline")[:80]


def class_name_of(index: Mapping[str, Any], name: str) -> str | None:
    """The class in an entry ["diffusers", "UNet2DConditionModel"]; None for no entry, as for [null, null]."""
    entry = index.get(name)
    return str(entry[1]) if isinstance(entry, list) and len(entry) == 2 and entry[1] else None


def _check_folder(folder: Path, has_vae: bool) -> None:
    index = read_index(folder)
    family = family_of_index(index, folder)
    encoders = [encoder.name for encoder in family.text_encoders]
    if not has_vae and not (class_name_of(index, "vae") and (folder / "vae").is_dir()):
        raise ExportError(f"{folder} has no VAE; {SAY_VAE}")
    for name in (*encoders, family.denoiser, *(() if has_vae else ("vae",))):
        network = class_name_of(index, name)
        if network is None or network not in CONFIGS:
            continue
        config = read_config(folder / name, network)
        if name == "unet":
            check_unet_config(folder, config)
        weights = find_weights(folder / name, TRANSFORMERS_FILE if name in encoders else DIFFUSERS_FILE)
        for file, header in weights.headers.items():
            check_quantised(weights.paths[file], header.shapes)
