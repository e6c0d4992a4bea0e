"""The characters that `imgen character` puts in service beside the catalogue's own, while a server runs.

They live in the data folder, so that the operator's catalogue stays as its author left it.
Weights first, the catalogue's file last: a reader never sees a character without its weights, and a command
that is killed on the way leaves at most weights that nothing offers.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec
import yaml

from cli.errors import UserError
from contract.names import NAME, NAME_WORDS
from embedded.models import Progress, merge
from frontend.catalogue.catalogue import RIGHTS, Catalogue, Character, load, to_struct
from frontend.settings import Settings, catalogue_folders

WORDS_OF_RIGHTS = "fictional, or consent:REFERENCE where REFERENCE leads to the written consent"
LORAS = "loras"
"""Folder of the LoRA files, beside `characters`."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a character's file says; see frontend.catalogue.catalogue.Character."""

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
    catalogue: Path  # the operator's, which is read only
    own: Path
    """Folder of the characters that were added, laid out like the catalogue."""
    models: Path
    """Repository of the base models."""
    merged: Path
    """Repository that the characters' denoisers go to."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        catalogue, own = catalogue_folders(settings)
        return cls(catalogue, own, settings.models_dir, settings.data_dir / "models")

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
        character = _character(name, entry)
        text = yaml.safe_dump(msgspec.to_builtins(entry), sort_keys=False, allow_unicode=True)
        # All that may fill a disk is written before anything counts.
        with _written(_file(self.own, name), text.encode()), _written(self.own / kept, lora.read_bytes()):
            for model in entry.models:
                await merge(model, character, self.models.resolve(), self.merged.resolve(), lora, torch, tell)

    def remove(self, name: str, *, purge: bool) -> None:
        """`purge` deletes the weights too, also those of a character that was removed before.

        Raises UserError where there is nothing to remove.
        """
        catalogue = self._read()
        if name in catalogue.characters:
            if catalogue.homes[name] != self.own:
                where = _file(catalogue.homes[name], name)
                raise UserError(f"@{name} was not added by this command: to remove it, delete {where}")
            _file(self.own, name).unlink()
        elif not (purge and self._weights(name)):
            raise UserError(f"no character {name}; `imgen character list` shows those that there are")
        if purge:
            for path in self._weights(name):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _weights(self, name: str) -> list[Path]:
        """What `add` has written for a character of that name, but for what another one uses."""
        if not NAME.fullmatch(name):
            return []
        catalogue = self._read()
        used = {catalogue.lora(each).resolve() for each in catalogue.characters}
        copies = (path for path in (self.own / LORAS).glob("*.safetensors") if path.resolve() not in used)
        merged = (
            self.merged / f"{model}-{part}--{name}"
            for model in catalogue.models
            for part in ("denoiser", "text-encoder")
        )
        return [
            *(path for path in copies if re.fullmatch(rf"{name}-[0-9a-f]{{12}}", path.stem)),
            *(path for path in merged if path.is_dir()),
        ]

    def rows(self) -> list[Row]:
        catalogue = self._read()
        return [
            Row(
                name=name,
                label=character.label,
                models=character.models,
                trigger=character.trigger,
                rights=character.rights,
                strength=character.strength,
                lora=str(path := catalogue.lora(name)),
                lora_sha256=_sha256(path) if path.is_file() else "",
                compared=all(self._compared(model, name) for model in character.models),
            )
            for name, character in catalogue.characters.items()
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
            raise UserError(f"--rights {entry.rights!r}: expected {WORDS_OF_RIGHTS}")
        if not lora.is_file() or not os.access(lora, os.R_OK):
            raise UserError(f"there is no file {lora} that can be read")
        catalogue = self._read()
        if unknown := [model for model in entry.models if model not in catalogue.models]:
            known = ", ".join(catalogue.models)
            raise UserError(f"there is no model {unknown[0]!r} in {self.catalogue}; it has {known}")
        if name in catalogue.characters and catalogue.homes[name] != self.own:
            raise UserError(f"@{name} is taken by {_file(catalogue.homes[name], name)}: choose another name")
        if name in catalogue.characters and not replace:
            raise UserError(f"@{name} is in service already; --replace puts this one in its place")
        _character(name, entry)

    def _read(self) -> Catalogue:
        return load(self.catalogue, self.own)


def _file(folder: Path, name: str) -> Path:
    return folder / "characters" / f"{name}.yaml"


def _character(name: str, entry: Entry) -> Character:
    """As the server will read it. Raises CatalogueError, which names the key and what is expected."""
    return to_struct(f"@{name}", {**msgspec.to_builtins(entry), "name": name}, Character)


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
