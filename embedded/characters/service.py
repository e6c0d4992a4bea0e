"""The characters: merged into the models that they belong to, added and removed, while a server runs.

Those that are added live in the data folder, so that the operator's catalogue stays as its author left it.
Weights first, the catalogue's file last: a reader never sees a character without its weights, and a command
that is killed on the way leaves at most weights that nothing offers.
"""

import asyncio
import contextlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

import msgspec
import yaml

from contract.acs import Depiction
from contract.names import CHARACTER_PARTS, DENOISER, NAME, NAME_WORDS, network_name
from contract.peft_files import settings_of_copy
from embedded.characters.declaration import CharacterDeclaration, CharacterRow
from embedded.characters.errors import CharacterError
from embedded.characters.lora_file import (
    SUFFIX,
    check_lora_file,
    copies_of,
    copy_lora_file,
    find_lora_file,
    sha256_of,
)
from embedded.characters.merge import Tell, merge
from embedded.child import run_all
from frontend.catalogue.catalogue import RIGHTS, Catalogue, load, read_mapping
from frontend.common.atomic_write import atomic_file
from frontend.settings import Settings, catalogue_folders

RIGHTS_WORDS = "fictional, or consent:REFERENCE where REFERENCE leads to the written consent"
LORAS = "loras"
"""Folder of the LoRA files, beside `characters`."""


@dataclass(frozen=True)
class CharacterService:
    catalogue: Path  # the operator's, which is read only
    added: Path
    """Folder of the characters that were added, laid out like the catalogue."""
    models: Path
    """Repository of the base models."""
    merged: Path
    """Repository that the characters' networks go to."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        catalogue, added = catalogue_folders(settings)
        return cls(catalogue, added, settings.models_dir, settings.data_dir / "models")

    async def merge_all(self, say: Callable[[str], None]) -> list[Path]:
        """Merges every character that is not merged yet: only base models and LoRAs are shipped.

        Returns the Triton repositories, of models and of characters. Raises PartError and CatalogueError.
        """
        self.merged.mkdir(parents=True, exist_ok=True)
        catalogue = await asyncio.to_thread(self._read)
        merges = [
            merge(model, character, catalogue.lora(name), base=self.models, merged=self.merged)
            for name, character in catalogue.characters.items()
            for model in character.models
        ]
        await run_all(merges)
        if merges:
            say("characters")
        return [self.models.resolve(), self.merged.resolve()]

    async def add(
        self,
        name: str,
        declaration: CharacterDeclaration,
        lora: Path,
        *,
        replace: bool,
        compare: bool,
        tell: Tell | None = None,
    ) -> list[str]:
        """`lora`: a file, or a folder that one was saved into. `compare` as of `merge`; `tell` is called with
        how far it is. Returns notes on the LoRA for people.

        Raises CharacterError, PartError and CatalogueError, with nothing changed in what is served.
        """
        lora = find_lora_file(lora)
        self._check(name, declaration, lora, replace)
        copy = Path(LORAS) / f"{name}-{sha256_of(lora)[:12]}{SUFFIX}"
        declaration = msgspec.structs.replace(declaration, lora=str(copy))
        character = declaration.character(name)
        text = yaml.safe_dump(msgspec.to_builtins(declaration), sort_keys=False, allow_unicode=True)
        # All that may fill a disk is written before anything counts.
        with ExitStack() as files:
            file = files.enter_context(_new_file(_file(self.added, name)))
            with _as_character_error(self.added / copy):
                file.write(text.encode())
                file.flush()
                for source, target in copies_of(lora, self.added / copy):
                    copy_lora_file(source, files.enter_context(_new_file(target)))
            notes = [
                note
                for model in declaration.models
                for note in await merge(
                    model,
                    character,
                    lora,
                    base=self.models,
                    merged=self.merged,
                    compare=compare,
                    tell=tell,
                )
            ]
        return list(dict.fromkeys(notes))

    def record_depiction(self, name: str, depicts: Depiction) -> None:
        """Of a character that was added. Raises CharacterError and CatalogueError, with nothing changed."""
        catalogue = self._read()
        if name not in catalogue.characters:
            raise CharacterError(f"no character {name}; `imgen character list` shows those that there are")
        path = _file(catalogue.homes[name], name)
        if catalogue.homes[name] != self.added:
            raise CharacterError(
                f"@{name} was not added by this command: write `depicts: {depicts}` into {path}"
            )
        recorded = {**read_mapping(path), "depicts": depicts}
        with _new_file(path) as file:
            file.write(yaml.safe_dump(recorded, sort_keys=False, allow_unicode=True).encode())

    def remove(self, name: str, *, purge: bool) -> None:
        """`purge` deletes the weights too, also those of a character that was removed before.

        Raises CharacterError where there is nothing to remove.
        """
        catalogue = self._read()
        if name in catalogue.characters:
            if catalogue.homes[name] != self.added:
                where = _file(catalogue.homes[name], name)
                raise CharacterError(f"@{name} was not added by this command: to remove it, delete {where}")
            _file(self.added, name).unlink()
        elif not (purge and self._weights(name)):
            raise CharacterError(f"no character {name}; `imgen character list` shows those that there are")
        if purge:
            for path in self._weights(name):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def rows(self) -> list[CharacterRow]:
        catalogue = self._read()
        return [
            CharacterRow(
                name=name,
                label=character.label,
                models=character.models,
                trigger=character.trigger,
                rights=character.rights,
                depicts=character.depicts or "",
                strength=character.strength,
                lora=str(path := catalogue.lora(name)),
                lora_sha256=sha256_of(path) if path.is_file() else "",
                compared=all(self._is_compared(model, name) for model in character.models),
            )
            for name, character in catalogue.characters.items()
        ]

    def _weights(self, name: str) -> list[Path]:
        """What `add` has written for a character of that name, but for what another one uses."""
        if not NAME.fullmatch(name):
            return []
        catalogue = self._read()
        used = {catalogue.lora(each).resolve() for each in catalogue.characters}
        copies = (path for path in (self.added / LORAS).glob(f"*{SUFFIX}") if path.resolve() not in used)
        merged = (
            self.merged / network_name(model, part, name)
            for model in catalogue.models
            for part in CHARACTER_PARTS
        )
        own = [path for path in copies if re.fullmatch(rf"{name}-[0-9a-f]{{12}}", path.stem)]
        return [
            *own,
            *filter(Path.is_file, map(settings_of_copy, own)),
            *(path for path in merged if path.is_dir()),
        ]

    def _is_compared(self, model: str, name: str) -> bool:
        try:
            report = json.loads(
                (self.merged / network_name(model, DENOISER, name) / "merge.json").read_bytes()
            )
        except (OSError, ValueError):
            return False
        return isinstance(report, dict) and report.get("compared") is True

    def _check(self, name: str, declaration: CharacterDeclaration, lora: Path, replace: bool) -> None:
        if not NAME.fullmatch(name):
            raise CharacterError(f"the name {name!r} must be {NAME_WORDS}")
        if not RIGHTS.fullmatch(declaration.rights):
            raise CharacterError(f"--rights {declaration.rights!r}: expected {RIGHTS_WORDS}")
        check_lora_file(lora)
        catalogue = self._read()
        if unknown := [model for model in declaration.models if model not in catalogue.models]:
            known = ", ".join(catalogue.models)
            raise CharacterError(f"there is no model {unknown[0]!r} in {self.catalogue}; it has {known}")
        if name in catalogue.characters and catalogue.homes[name] != self.added:
            raise CharacterError(
                f"@{name} is taken by {_file(catalogue.homes[name], name)}: choose another name"
            )
        if name in catalogue.characters and not replace:
            raise CharacterError(f"@{name} is in service already; --replace puts this one in its place")
        declaration.character(name)

    def _read(self) -> Catalogue:
        return load(self.catalogue, self.added)


def _file(folder: Path, name: str) -> Path:
    return folder / "characters" / f"{name}.yaml"


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """As atomic_file. Raises CharacterError."""
    with _as_character_error(path), atomic_file(path) as file:
        yield file


@contextlib.contextmanager
def _as_character_error(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise CharacterError(
            f"cannot write {path}: {reason}; nothing was changed: make room, then try again"
        ) from None
