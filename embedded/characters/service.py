"""The characters: merged into the models that they belong to, added and removed, while a server runs.

Those that are added live in the data folder, so that the operator's catalogue stays as its author left it.
Weights first, the catalogue's file last: a reader never sees a character without its weights, and a command
that is killed on the way leaves at most weights that nothing offers.
"""

import asyncio
import contextlib
import json
import logging
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
from embedded.characters.adaptation import Adaptation
from embedded.characters.declaration import CharacterDeclaration, CharacterRow
from embedded.characters.errors import CharacterError
from embedded.characters.lora_file import LoraFile, copy_file, sha256_of
from embedded.characters.merge import Tell, merge
from embedded.characters.merge_stamp import MergeStamp
from embedded.characters.networks import NetworkFolders
from embedded.child import run_all
from embedded.part import PartError
from frontend.catalogue.catalogue import RIGHTS, RIGHTS_WORDS, Catalogue, load
from frontend.catalogue.yaml_file import read_mapping
from frontend.common.atomic_write import atomic_file
from frontend.settings import Settings, catalogue_folders

LORAS = "loras"
"""Folder of the LoRA files, beside `characters`."""
ADD_WORDS = "`imgen character add NAME --lora FILE --model MODEL …` adds one"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CharacterService:
    catalogue: Path  # the operator's, which is read only
    added: Path
    """Folder of the characters that were added, laid out like the catalogue."""
    networks: NetworkFolders

    @classmethod
    def of(cls, settings: Settings) -> Self:
        catalogue, added = catalogue_folders(settings)
        return cls(catalogue, added, NetworkFolders(settings.models_dir, settings.data_dir / "models"))

    async def merge_all(self, say: Callable[[str], None]) -> list[Path]:
        """Merges every character that is not merged yet, and makes what banks hold of characters and styles:
        only base models and LoRAs are shipped.

        One that cannot be merged is left out, with a line in the log: Triton is not shown its networks.
        Returns the Triton repositories, of models and of characters. Raises CatalogueError.
        """
        folders = self.networks
        folders.merged.mkdir(parents=True, exist_ok=True)
        catalogue = await asyncio.to_thread(self._read)
        merges = [self._merge_or_leave_out(each) for each in Adaptation.all_of(catalogue)]
        await run_all(merges)
        if merges:
            say("characters")
        return list(dict.fromkeys((folders.models.resolve(), folders.merged.resolve())))

    async def _merge_or_leave_out(self, adaptation: Adaptation) -> None:
        folders = self.networks
        stamp = MergeStamp.of(adaptation, folders)
        if stamp.holds():
            return
        try:
            await merge(adaptation, base=folders.base_of(adaptation.model), merged=folders.merged)
        except PartError as error:
            folders.hide(adaptation)  # what is there is of another base, or of another LoRA
            log.warning("left out: %s; %s", error, self._mend(adaptation))
        else:
            folders.show(adaptation)
            with contextlib.suppress(OSError):  # it is looked at again at the next start
                stamp.keep()

    def _mend(self, adaptation: Adaptation) -> str:
        """What to do about one that cannot be merged."""
        model, name = adaptation.model, adaptation.character
        if not self.networks.has_weights(model):
            return f"make weights of {model} (`imgen export CHECKPOINT --name {model}`), or do without"
        if adaptation.style:
            return f"put a LoRA for this {model} in its place, or take `lora:` out of the style"
        if _file(self.added, name).is_file():
            return (
                f"`imgen character add {name} --replace …` with a LoRA for this {model}, or "
                f"`imgen character remove {name}`"
            )
        return f"put a LoRA for this {model} in its place, or delete {_file(self.catalogue, name)}"

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
        given = LoraFile.open(lora)
        self._check(name, declaration, replace)
        copy = Path(LORAS) / given.name_for(name)
        declaration = msgspec.structs.replace(declaration, lora=str(copy))
        character = declaration.character(name)
        text = yaml.safe_dump(msgspec.to_builtins(declaration), sort_keys=False, allow_unicode=True)
        # All that may fill a disk is written before anything counts.
        with ExitStack() as files:
            file = files.enter_context(_new_file(_file(self.added, name)))
            with _as_character_error(self.added / copy):
                file.write(text.encode())
                file.flush()
                for source, target in given.copies(self.added / copy):
                    copy_file(source, files.enter_context(_new_file(target)))
            adaptations = [
                Adaptation.of_character(model, character, given.path) for model in declaration.models
            ]
            notes = [
                note
                for each in adaptations
                for note in await merge(
                    each,
                    base=self.networks.base_of(each.model),
                    merged=self.networks.merged,
                    compare=compare,
                    tell=tell,
                )
            ]
            for each in adaptations:
                self.networks.show(each)
        return list(dict.fromkeys(notes))

    def record_depiction(self, name: str, depicts: Depiction) -> None:
        """Of a character that was added. Raises CharacterError and CatalogueError, with nothing changed."""
        catalogue = self._read()
        if name not in catalogue.characters:
            raise self._unknown(name, catalogue)
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
        if NAME.fullmatch(name) and _file(self.added, name).is_file():  # also one that is left out
            _file(self.added, name).unlink()
        elif NAME.fullmatch(name) and (where := _file(self.catalogue, name)).is_file():
            raise CharacterError(f"@{name} was not added by this command: to remove it, delete {where}")
        elif not (purge and self._weights(name)):
            raise self._unknown(name, catalogue)
        if purge:
            for path in self._weights(name):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _unknown(self, name: str, catalogue: Catalogue) -> CharacterError:
        known = ", ".join(f"@{each}" for each in catalogue.characters) or "none"
        return CharacterError(f"no character {name}; there are: {known}; {ADD_WORDS}")

    def faults(self) -> list[str]:
        """What is left out of the catalogue, and how to mend it, a line each."""
        return [f"left out: {fault.line}" for fault in self._read().faults]

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
                kinds={
                    model: "bank" if self.networks.uses_bank(model, name) else "merged"
                    for model in character.models
                },
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
        copies = (
            path
            for path in (self.added / LORAS).glob("*")
            if not any(file == path.resolve() or path.resolve() in file.parents for file in used)
        )
        merged = (
            self.networks.merged / network_name(model, part, name)
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
                (self.networks.merged / network_name(model, DENOISER, name) / "merge.json").read_bytes()
            )
        except (OSError, ValueError):
            return False
        return isinstance(report, dict) and report.get("compared") is True

    def _check(self, name: str, declaration: CharacterDeclaration, replace: bool) -> None:
        if not NAME.fullmatch(name):
            raise CharacterError(f"the name {name!r} must be {NAME_WORDS}")
        if not RIGHTS.fullmatch(declaration.rights):
            raise CharacterError(f"--rights {declaration.rights!r}: expected {RIGHTS_WORDS}")
        catalogue = self._read()
        if unknown := [model for model in declaration.models if model not in catalogue.models]:
            known = ", ".join(catalogue.models)
            raise CharacterError(
                f"there is no model {unknown[0]!r} in {self.catalogue}; it has {known}; "
                f"`imgen model add CHECKPOINT --name {unknown[0]}` adds one"
            )
        if lacking := [model for model in declaration.models if not self.networks.has_weights(model)]:
            raise CharacterError(
                f"model {lacking[0]} has no weights in {self.networks.models}; "
                f"`imgen export CHECKPOINT --name {lacking[0]}` makes them"
            )
        if (operators := _file(self.catalogue, name)).is_file():
            raise CharacterError(f"@{name} is taken by {operators}: choose another name")
        if _file(self.added, name).is_file() and not replace:
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
