"""What of a checkpoint is refused in a moment, before torch is imported: its layout, configs and headers."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from contract.families import FAMILIES, GUIDED, Family, Guiding, family_titles
from export.checkpoints.clean_folder import (
    CONFIG_FILE,
    DIFFUSERS_FILE,
    TRANSFORMERS_FILE,
    find_weights,
    read_config,
)
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
    found = [
        family
        for family in FAMILIES
        if (markers := SINGLE_FILES.get(family.name, ()))
        and all(begins(keys, marker) for marker in (*markers, UNET_PREFIX))
    ]
    if found:
        return named_one(found, [path.stem]) if found[-1].named else found[0]
    raise ExportError(describe_other(path, keys))


def read_index(folder: Path) -> dict[str, Any]:
    try:
        return read_json(folder / INDEX_FILE)
    except ExportError as error:
        raise ExportError(f"{folder} is no diffusers checkpoint: {error}") from None


def names_of(index: Mapping[str, Any], folder: Path) -> list[str]:
    """That a checkpoint in a folder goes by. In a cache of the hub, the model's name is two folders up."""
    whole = folder.resolve()
    parts = whole.parts[-3 if whole.parent.name == "snapshots" else -1 :]
    return [folder.name, *parts, str(index.get("_name_or_path", ""))]


def family_of_index(index: Mapping[str, Any], folder: Path) -> Family:
    """By the pipeline that it names, else by text encoders and denoiser; of several by its names or by its
    denoiser's config. Raises ExportError."""
    encoders = {name for name in index if name.startswith("text_encoder") and class_name_of(index, name)}
    by_pipeline = [row for row in FAMILIES if row.pipeline == index.get("_class_name")]
    of_build = [
        row
        for row in FAMILIES
        if {one.name for one in row.text_encoders} == encoders
        and class_name_of(index, row.denoiser) == row.denoiser_class
    ]
    both = [row for row in by_pipeline if row in of_build]
    if found := both or by_pipeline or of_build:
        if any(row.named for row in found):
            return named_one(found, names_of(index, folder))
        return next((row for row in found if row.guiding == _guiding(folder / row.denoiser)), found[0])
    known = f"only {family_titles()} can be exported"
    raise ExportError(f"{folder / INDEX_FILE} is of {pipeline_of(index)}; {known}")


def named_one(families: Sequence[Family], names: Collection[str]) -> Family:
    """Of one build, by the names that a checkpoint goes by."""
    named = (row for row in families if row.named and any(re.search(row.named, one, re.I) for one in names))
    return next(named, next((row for row in families if not row.named), families[0]))


def _guiding(denoiser: Path) -> Guiding:
    """By its folder's config, where families of one pipeline differ in this."""
    config = denoiser / CONFIG_FILE
    return "number" if config.is_file() and read_json(config).get(GUIDED) else "none"


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
