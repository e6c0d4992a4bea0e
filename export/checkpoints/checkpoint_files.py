"""A checkpoint in files: one with all networks, or the denoiser's and those of text encoders beside it.

Which network is in which file, and how its keys begin there, is told by the files' headers. Needs no torch.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contract.families import FAMILIES, Family
from contract.safetensors_header import SafetensorsHeader
from export.checkpoints.clean_folder import read_config
from export.checkpoints.other_kinds import (
    SAY_VAE,
    begins,
    check_flux,
    check_quantised,
    check_stable_diffusion,
    describe_other,
    open_header,
)
from export.errors import ExportError
from export.families.published import PUBLISHED
from export.single_file_keys import FILES, FileKeys, NetworkKeys

EMBEDDINGS = (
    "text_model.embeddings.token_embedding.weight",
    "shared.weight",
    "encoder.embed_tokens.weight",
)
"""Of text encoders: [tokens, width]."""
WIDTHS = ("hidden_size", "d_model")
"""The same width in their configs."""


@dataclass(frozen=True)
class Place:
    """Where a network's weights are."""

    path: Path
    header: SafetensorsHeader
    prefix: str  # of their keys

    @property
    def values(self) -> int:
        return self.header.values_of((self.prefix,))


@dataclass(frozen=True)
class CheckpointFiles:
    path: Path  # of the denoiser's
    header: SafetensorsHeader
    family: Family
    places: Mapping[str, Place]  # by network; without a VAE that is given apart


def family_of_keys(path: Path, keys: Collection[str]) -> Family:
    """Of the denoiser's file. Raises ExportError."""
    for family in FAMILIES:
        if (known := FILES.get(family.name)) and _is_of(known, family.denoiser, keys):
            return family
    raise ExportError(describe_other(path, keys))


def _is_of(known: FileKeys, denoiser: str, keys: Collection[str]) -> bool:
    prefixes = known.networks[denoiser].prefixes
    marked = any(all(begins(keys, prefix + mark) for mark in known.marks) for prefix in prefixes)
    return marked and begins(keys, known.beside)


def open_files(
    path: Path, *, text_encoders: Sequence[Path] = (), has_vae: bool = False, like: Path | None = None
) -> CheckpointFiles:
    """`text_encoders`: in place of the first one's; `has_vae`: whether one is given apart; `like`: a folder whose
    configs it has. Raises ExportError; what passes may be refused later."""
    header = open_header(path)
    check_quantised(path, header.shapes)
    family = family_of_keys(path, header.shapes)
    _check(path, header, family)
    own = {
        name: Place(path, header, prefix)
        for name, keys in FILES[family.name].networks.items()
        if (prefix := _prefix(keys, header.shapes)) is not None
    }
    places = {**own, **dict(_named(family, text_encoders, like))}
    for encoder in family.text_encoders:
        if encoder.name not in places:
            raise ExportError(f"{path} lacks its {encoder.name}; name the file of it: --text-encoder FILE")
    if not has_vae and "vae" not in places:
        raise ExportError(f"{path} has no VAE; {SAY_VAE}")
    return CheckpointFiles(path, header, family, places)


def config_of(family: Family, network: str, kind: str, like: Path | None) -> Mapping[str, Any]:
    """A network's; `kind`: its class. Raises ExportError."""
    return read_config(like / network, kind) if like else PUBLISHED[family.name][network]


def _check(path: Path, header: SafetensorsHeader, family: Family) -> None:
    check = check_stable_diffusion if family.denoiser == "unet" else check_flux
    check(path, header)


def _prefix(known: NetworkKeys, keys: Collection[str]) -> str | None:
    found = (prefix for prefix in known.prefixes if begins(keys, prefix + known.layer))
    return next(found, None if known.layer else known.prefixes[-1])


def _named(family: Family, files: Sequence[Path], like: Path | None) -> Iterator[tuple[str, Place]]:
    """The text encoder that each of some files holds. Raises ExportError."""
    taken: set[str] = set()
    for path in files:
        header = open_header(path)
        check_quantised(path, header.shapes)
        name, prefix = _encoder_in(path, header, family, like)
        if name in taken:
            raise ExportError(f"{path} is another {name}; name one --text-encoder for each")
        taken.add(name)
        yield name, Place(path, header, prefix)


def _encoder_in(path: Path, header: SafetensorsHeader, family: Family, like: Path | None) -> tuple[str, str]:
    """Which of the family's text encoders it is, and its keys' prefix."""
    known = FILES[family.name].networks
    for encoder in family.text_encoders:
        keys = known[encoder.name]
        for prefix in (*keys.prefixes, ""):
            if keys.kind and begins(header.shapes, prefix + keys.layer):
                width = next(
                    (shape[1] for one in EMBEDDINGS if (shape := header.shapes.get(prefix + one))), 0
                )
                if width == _width(family, encoder.name, like):
                    return encoder.name, prefix
    raise ExportError(f"{path} is no text encoder of {family.title}, or of other sizes than published")


def _width(family: Family, encoder: str, like: Path | None) -> int:
    config = config_of(family, encoder, FILES[family.name].networks[encoder].kind, like)
    return int(next((config[name] for name in WIDTHS if name in config), 0))
