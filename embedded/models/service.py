"""The models of this machine: added to the catalogue and taken out of it, while a server runs.

Weights first, the catalogue's entry last; out of service the other way. So a reader never sees a model
without weights, and a command that is killed on the way leaves at most weights that nothing offers: given
again, it goes on.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import msgspec

from contract.description import BadDescription, read_description
from contract.names import DENOISER, NAME, NAME_WORDS, PARTS, network_name, split_network_name
from contract.repositories import CONFIG_FILE, DESCRIPTION_FILE, what_is_missing
from embedded.characters.networks import NetworkFolders
from embedded.models.errors import ModelError
from embedded.starter_entry import EntryOptions, adapters_of, write_starter_entry
from frontend.catalogue.catalogue import Catalogue, Model, load
from frontend.common.errors import CatalogueError
from frontend.settings import Settings, catalogue_folders

USUAL_ORDER = 100  # of an entry that says none
ADD_WORDS = "`imgen model add CHECKPOINT --name NAME` adds one"
NOT_OFFERED = "not in the catalogue: `imgen model add` goes on with it, `imgen model remove` deletes it"


class ModelRow(msgspec.Struct, frozen=True, kw_only=True):
    """Of one model, as `imgen model list` tells it."""

    name: str
    label: str = ""
    default: bool = False  # drawn with where a client names none
    family: str = ""  # "" where it cannot be told
    steps: int = 0  # 0, as for guidance: it is not in the catalogue
    guidance: float = 0.0
    styles: tuple[str, ...] = ()
    characters: tuple[str, ...] = ()
    weights: str = ""  # the repository; "" where there are none
    bytes: int = 0  # of its networks' files, its characters' too
    added: bool = False  # its entry was written by `imgen model add` or `imgen export`
    fault: str = ""  # why it cannot be drawn with, as far as files say it


@dataclass(frozen=True)
class ModelService:
    catalogue: Path  # the operator's, which is read only
    added: Path
    """Folder of the entries that were added, laid out like the catalogue."""
    networks: NetworkFolders

    @classmethod
    def of(cls, settings: Settings) -> Self:
        catalogue, added = catalogue_folders(settings)
        return cls(catalogue, added, NetworkFolders(settings.models_dir, settings.data_dir / "models"))

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """For one process at a time; the lock ends with it, however it ends. Raises ModelError, OSError."""
        self.added.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.added, os.O_RDONLY | os.O_DIRECTORY)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ModelError(
                    "another `imgen model` is at work in this data folder: try again when it has ended"
                ) from None
            yield
        finally:
            os.close(lock)

    def check_new(self, name: str) -> None:
        """Raises ModelError for a name that is taken, or none at all. Weights without an entry take none:
        a command that was killed left them."""
        if not NAME.fullmatch(name):
            raise ModelError(f"the name {name!r} must be {NAME_WORDS}")
        for folder, way_out in (
            (self.catalogue, "choose another --name"),
            (self.added, f"choose another --name, or `imgen model remove {name}` first"),
        ):
            if (entry := _entry(folder, name)).is_file():
                raise ModelError(f"there is a model {name} ({entry}): {way_out}")
        if self._has_own_weights(name):
            raise ModelError(f"{self.networks.models} has a model {name}: choose another --name")

    def default(self) -> str:
        """The model that is drawn with where a client names none; "" where there is none."""
        return next((model.name for model in self._models()), "")

    def order_of_new(self, *, default: bool) -> int | None:
        """What keeps the default model what it is, or else makes the new one it; None: the usual order."""
        orders = [model.order for model in self._models()]
        if default and orders:
            return min(*orders, USUAL_ORDER) - 1
        return max(orders) + 1 if orders and max(orders) >= USUAL_ORDER else None

    def offer(self, name: str, options: EntryOptions) -> Path:
        """Writes its entry, from which on it is offered where Triton has it. Raises ModelError, OSError."""
        denoiser = self.networks.merged / network_name(name, DENOISER)
        try:
            description = read_description(denoiser / DESCRIPTION_FILE)
        except BadDescription as error:
            raise ModelError(str(error)) from None
        return write_starter_entry(
            self.added, name, description, replace(options, adapters=adapters_of(denoiser))
        )

    def check_removable(self, name: str) -> None:
        """Raises ModelError, which says what to do first."""
        if not NAME.fullmatch(name):
            raise ModelError(f"the name {name!r} must be {NAME_WORDS}")
        if (entry := _entry(self.catalogue, name)).is_file():
            raise ModelError(f"model {name} was not added by this command: to remove it, delete {entry}")
        catalogue = self._read()
        if not _entry(self.added, name).is_file() and not self.networks_of(name):
            known = ", ".join(catalogue.models) if catalogue else "none"
            raise ModelError(f"no model {name}; there are: {known}; {ADD_WORDS}")
        if catalogue and name in catalogue.models:
            self._check_unneeded(catalogue, name)

    def _check_unneeded(self, catalogue: Catalogue, name: str) -> None:
        if next(iter(catalogue.models)) == name:
            others = [other for other in catalogue.models if other != name]
            way_out = (
                f"give another one a lower `order:` first ({', '.join(others)})"
                if others
                else "it is the only one; add another one with --default first"
            )
            raise ModelError(f"model {name} is what is drawn with where a client names none: {way_out}")
        homes = {each: catalogue.homes[each] for each in catalogue.characters_of(name)}
        if added := [each for each, home in homes.items() if home == self.added]:
            commands = "; ".join(f"`imgen character remove {each}`" for each in added)
            raise ModelError(f"characters are drawn with model {name}; remove them first: {commands}")
        if homes:
            files = ", ".join(str(home / "characters" / f"{each}.yaml") for each, home in homes.items())
            raise ModelError(f"characters are drawn with model {name}: take it out of `models:` in {files}")

    def withdraw(self, name: str) -> None:
        """Takes its entry out of the catalogue."""
        _entry(self.added, name).unlink(missing_ok=True)

    def networks_of(self, name: str) -> list[str]:
        """That lie in the data folder, its characters' too."""
        found = (split_network_name(path.name) for path in self.networks.merged.glob(f"{name}-*"))
        return sorted(str(one) for one in found if one and one.model == name)

    def delete(self, name: str) -> None:
        """All that is kept of it in the data folder. A network goes in one step; killed on the way, it
        deletes the rest when it is called again. Raises OSError."""
        folder = self.networks.merged
        for left in folder.glob(f".{name}-removed-*"):
            shutil.rmtree(left, ignore_errors=True)
        kept = [
            *(folder / network for network in self.networks_of(name)),
            folder / f".{name}.work",
            *(folder / ".reports" / report for report in (name, f"{name}-failed")),
            *(folder / ".reports").glob(f"{network_name(name, DENOISER)}--*"),
            *(folder / ".stamps").glob(f"{network_name(name, DENOISER)}--*"),
            *(folder / ".found" / f"{network_name(name, part)}.json" for part in PARTS),
            self.added / "tiles" / name,
        ]
        there = [path for path in kept if path.exists()]
        if not there:
            return
        trash = Path(tempfile.mkdtemp(prefix=f".{name}-removed-", dir=folder))
        for number, path in enumerate(there):
            path.rename(trash / f"{number}")
        shutil.rmtree(trash)

    def rows(self) -> list[ModelRow]:
        catalogue = self._read()
        models = catalogue.models if catalogue else {}
        offered = [
            msgspec.structs.replace(
                self._files(name),
                label=model.label,
                default=number == 0,
                steps=model.steps,
                guidance=model.guidance,
                styles=tuple(model.styles),
                characters=tuple(catalogue.characters_of(name)) if catalogue else (),
                added=_entry(self.added, name).is_file(),
            )
            for number, (name, model) in enumerate(models.items())
        ]
        left = {
            one.model
            for path in self.networks.merged.glob(f"*/{CONFIG_FILE}")
            if (one := split_network_name(path.parent.name)) and one.model not in models
        }
        return [*offered, *(self._left(name) for name in sorted(left))]

    def faults(self) -> list[str]:
        """What is left out of the catalogue, and how to mend it, a line each."""
        catalogue = self._read()
        return [f"left out: {fault.line}" for fault in catalogue.faults] if catalogue else []

    def _left(self, name: str) -> ModelRow:
        fault = "its entry is left out" if _entry(self.added, name).is_file() else NOT_OFFERED
        return msgspec.structs.replace(self._files(name), fault=fault)

    def _files(self, name: str) -> ModelRow:
        """What its files tell."""
        base = self.networks.base_of(name)
        denoiser = base / network_name(name, DENOISER)
        try:
            family = read_description(denoiser / DESCRIPTION_FILE).family.title
        except BadDescription:
            family = ""
        folders = {*(base / network_name(name, part) for part in PARTS)}
        folders |= {self.networks.merged / network for network in self.networks_of(name)}
        files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        return ModelRow(
            name=name,
            family=family,
            weights=str(base) if denoiser.is_dir() else "",
            bytes=sum(path.stat().st_size for path in files),
            fault=what_is_missing([base], name),
        )

    def _has_own_weights(self, name: str) -> bool:
        """In the operator's repository."""
        own = self.networks.models
        if own.resolve() == self.networks.merged.resolve():
            return False
        return (own / network_name(name, DENOISER) / CONFIG_FILE).is_file()

    def _models(self) -> list[Model]:
        catalogue = self._read()
        return list(catalogue.models.values()) if catalogue else []

    def _read(self) -> Catalogue | None:
        """None where no model is in it, as in a data folder with an empty catalogue."""
        try:
            return load(self.catalogue, self.added)
        except CatalogueError:
            return None


def _entry(folder: Path, name: str) -> Path:
    return folder / "models" / f"{name}.yaml"
