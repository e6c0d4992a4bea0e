"""The characters of one catalogue folder and repository: who is in service, changed while a server runs.

Weights first, the catalogue's file last: a reader never sees a character without its weights, and a command
that is killed on the way leaves at most weights that nothing offers.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec
import yaml

from cli.errors import UserError
from embedded.models import Progress, merge
from frontend.catalogue import NAME, NAME_WORDS, RIGHTS, Catalogue, Character, load, to_struct
from frontend.settings import Settings

WORDS_OF_RIGHTS = "fictional, or consent:REFERENCE where REFERENCE leads to the written consent"
LORAS = "loras"
"""Folder of the LoRA files, in the catalogue's own."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a character's file says; see frontend.catalogue.Character."""

    label: str
    models: tuple[str, ...]
    trigger: str
    lora: str
    rights: str
    strength: float = 1.0
    blocks: dict[str, float] = {}
    positive: str = ""
    negative: str = ""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    label: str
    models: tuple[str, ...]
    trigger: str
    rights: str
    strength: float
    lora: str
    lora_sha256: str  # empty where the file is gone
    compared: bool  # whether torch drew the same with it, for every model, when it was merged


@dataclass(frozen=True)
class Casting:
    catalogue: Path
    models: Path
    """Repository of the base models."""
    merged: Path
    """Repository that the characters' denoisers go to."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(settings.catalogue_dir, settings.models_dir, settings.data_dir / "models")

    async def add(
        self,
        name: str,
        entry: Entry,
        lora: Path,
        *,
        replace: bool,
        torch: str | None,
        tell: Callable[[Progress], None] | None = None,
    ) -> None:
        """`torch`: an interpreter that has it, which compares the merged weights' pictures with its own.
        `tell` is called with how far it is.

        Raises UserError, PartError and CatalogueError, with nothing changed in what is served.
        """
        self._check(name, entry, lora, replace)
        digest = _sha256(lora)
        kept = Path(LORAS) / f"{name}-{digest[:12]}.safetensors"
        entry = msgspec.structs.replace(entry, lora=str(kept))
        character = _character(self._file(name), name, entry)
        text = yaml.safe_dump(msgspec.to_builtins(entry), sort_keys=False, allow_unicode=True)
        # All that may fill a disk is written before anything counts.
        with _written(self._file(name), text.encode()), _written(self.catalogue / kept, lora.read_bytes()):
            for model in entry.models:
                await merge(model, character, self.models.resolve(), self.merged.resolve(), lora, torch, tell)

    def remove(self, name: str, *, purge: bool) -> None:
        """Raises UserError where there is no such character."""
        character = self._read().characters.get(name)
        if character is None:
            raise UserError(f"no character {name}; `imgen character list` shows those that there are")
        self._file(name).unlink()
        if purge:
            self._delete_lora(character.lora)
            for model in character.models:
                for part in ("denoiser", "text-encoder"):
                    shutil.rmtree(self.merged / f"{model}-{part}--{name}", ignore_errors=True)

    def _delete_lora(self, lora: str) -> None:
        """Only a copy that `add` made, and that no other character uses."""
        used = any(character.lora == lora for character in self._read().characters.values())
        if Path(lora).parent == Path(LORAS) and not used:
            (self.catalogue / lora).unlink(missing_ok=True)

    def rows(self) -> list[Row]:
        return [
            Row(
                name=name,
                label=character.label,
                models=character.models,
                trigger=character.trigger,
                rights=character.rights,
                strength=character.strength,
                lora=character.lora,
                lora_sha256=_sha256(path) if (path := self.catalogue / character.lora).is_file() else "",
                compared=all(self._compared(model, name) for model in character.models),
            )
            for name, character in self._read().characters.items()
        ]

    def _compared(self, model: str, name: str) -> bool:
        try:
            report = json.loads((self.merged / f"{model}-denoiser--{name}" / "merge.json").read_bytes())
        except (OSError, ValueError):
            return False
        return isinstance(report, dict) and report.get("compared") is True

    def _check(self, name: str, entry: Entry, lora: Path, replace: bool) -> None:
        if not NAME.fullmatch(name):
            raise UserError(f"the name {name!r} must be {NAME_WORDS}")
        if not RIGHTS.fullmatch(entry.rights):
            raise UserError(f"--rights {entry.rights}: expected {WORDS_OF_RIGHTS}")
        if not lora.is_file() or not os.access(lora, os.R_OK):
            raise UserError(f"there is no file {lora} that can be read")
        catalogue = self._read()
        if unknown := [model for model in entry.models if model not in catalogue.models]:
            known = ", ".join(catalogue.models)
            raise UserError(f"there is no model {unknown[0]!r} in {self.catalogue}; it has {known}")
        if name in catalogue.characters and not replace:
            raise UserError(f"@{name} is in service already; --replace puts this one in its place")
        _character(self._file(name), name, entry)

    def _read(self) -> Catalogue:
        return load(self.catalogue)

    def _file(self, name: str) -> Path:
        return self.catalogue / "characters" / f"{name}.yaml"


def _character(path: Path, name: str, entry: Entry) -> Character:
    """As the server will read it. Raises CatalogueError, which names the key and what is expected."""
    return to_struct(path, {**msgspec.to_builtins(entry), "name": name}, Character)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _written(path: Path, data: bytes) -> Iterator[None]:
    """Beside and on disk at once; in its place after the body, if that ends well. Raises UserError."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with _or_user_error(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        yield
        with _or_user_error(path):
            beside.rename(path)
    finally:
        beside.unlink(missing_ok=True)


@contextlib.contextmanager
def _or_user_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise UserError(
            f"cannot write {path}: {reason}; nothing was changed: make room, then try again"
        ) from None
