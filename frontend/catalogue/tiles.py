"""Small pictures of styles and characters, to choose them by: `tiles/` beside the catalogue's YAML files.

`tiles/MODEL/styles/STYLE.webp` and `tiles/MODEL/characters/NAME.webp`. `imgen catalogue tiles` draws them.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from frontend.catalogue.catalogue import Catalogue

MAX_TILE_BYTES = 65_536
MAX_REMEMBERED = 10_000  # files
Kind = Literal["styles", "characters"]
KINDS: tuple[Kind, ...] = ("styles", "characters")
Digests = Annotated[
    Mapping[str, str],
    Meta(description="Name → digest of the file", examples=[{"neon": "5d41402abc4b2a76"}]),
]


class ModelTiles(msgspec.Struct, frozen=True, kw_only=True):
    styles: Digests
    characters: Digests


def tile_path(folder: Path, model: str, kind: Kind, name: str) -> Path:
    """`folder`: of a catalogue."""
    return folder / "tiles" / model / kind / f"{name}.webp"


def names_of(catalogue: Catalogue, model: str, kind: Kind) -> Iterable[str]:
    """Raises KeyError for a model that there is not."""
    found = catalogue.models[model]
    return found.styles if kind == "styles" else sorted(catalogue.characters_of(model))


class Tiles:
    """Files are read when they are asked for, and what was read is told by size and time of change."""

    def __init__(self, *folders: Path) -> None:
        self._folders = folders
        self._known: dict[Path, tuple[tuple[int, int], str]] = {}  # stamp and digest

    def all(self, catalogue: Catalogue) -> dict[str, ModelTiles]:
        """By model. Reads files."""
        return {
            model: ModelTiles(
                styles=self._digests(catalogue, model, "styles"),
                characters=self._digests(catalogue, model, "characters"),
            )
            for model in catalogue.models
        }

    def read(self, catalogue: Catalogue, model: str, kind: Kind, name: str) -> bytes | None:
        """A WebP file; None where there is none, or the catalogue has no such name."""
        if model not in catalogue.models or name not in names_of(catalogue, model, kind):
            return None
        return next(filter(None, (_read(path) for path in self._paths(model, kind, name))), None)

    def _digests(self, catalogue: Catalogue, model: str, kind: Kind) -> dict[str, str]:
        found = ((name, self._digest(model, kind, name)) for name in names_of(catalogue, model, kind))
        return {name: digest for name, digest in found if digest}

    def _digest(self, model: str, kind: Kind, name: str) -> str:
        return next(filter(None, map(self._digest_of, self._paths(model, kind, name))), "")

    def _paths(self, model: str, kind: Kind, name: str) -> list[Path]:
        return [tile_path(folder, model, kind, name) for folder in self._folders]

    def _digest_of(self, path: Path) -> str:
        try:
            state = path.stat()
        except OSError:
            return ""
        stamp = state.st_mtime_ns, state.st_size
        known = self._known.get(path)
        if known is None or known[0] != stamp:
            data = _read(path)
            known = stamp, hashlib.sha256(data).hexdigest()[:16] if data else ""
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            self._known[path] = known
        return known[1]


def _read(path: Path) -> bytes | None:
    """None for whatever is no small WebP."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_TILE_BYTES + 1)
    except OSError:
        return None
    return data if len(data) <= MAX_TILE_BYTES and data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None
