"""Whether what was made of a LoRA is of the files of before: then no process has to read and compare them."""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from contract.names import CHARACTER_PARTS, network_name
from contract.peft_files import ADAPTER_FILE, settings_of_copy
from embedded.characters.adaptation import Adaptation
from embedded.characters.networks import NetworkFolders
from frontend.common.atomic_write import atomic_write
from frontend.settings import ROOT

STAMPS = ".stamps"  # in the repository; Triton loads nothing of it
MERGED_BY = ("contract", "export", "frontend/common")  # the program that merges


@dataclass(frozen=True)
class MergeStamp:
    """What the file system says of all that a merge reads, taken before it begins, and of what it wrote.

    Names, sizes, places and times, the time of the last change of any kind (ctime) among them, which no
    program can set: a file that was replaced, touched or copied differs, whatever it holds.
    """

    path: Path
    networks: tuple[Path, ...]
    read: str

    @classmethod
    def of(cls, adaptation: Adaptation, folders: NetworkFolders) -> Self:
        base, merged = folders.base_of(adaptation.model), folders.merged
        networks, lora = adaptation.networks(merged), adaptation.lora
        known = _state(
            [
                *(base / network_name(adaptation.model, part) for part in CHARACTER_PARTS),
                *(lora, settings_of_copy(lora), lora.with_name(ADAPTER_FILE)),
                *(ROOT / name for name in MERGED_BY),
            ]
        )
        wanted = [adaptation.strength, sorted(adaptation.blocks.items()), adaptation.merged]
        whole = json.dumps([known, *wanted])
        return cls(
            merged / STAMPS / networks[0].name, tuple(networks), hashlib.sha256(whole.encode()).hexdigest()
        )

    def holds(self) -> bool:
        try:
            return self.path.read_text() == self._now()
        except OSError:
            return False

    def keep(self) -> None:
        """After the merge. Raises OSError."""
        atomic_write(self.path, self._now().encode())

    def _now(self) -> str:
        return json.dumps([self.read, _state(self.networks)])


def _state(paths: Iterable[Path]) -> list[tuple[str, int, int, int, int]]:
    state = []
    for path in sorted(file for each in paths for file in _files(each)):
        with contextlib.suppress(FileNotFoundError):  # gone meanwhile
            found = path.stat()
            state.append((str(path), found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))
    return state


def _files(path: Path) -> Iterator[Path]:
    """All files in a folder, or the one that it is; what Python compiled counts for nothing."""
    if path.is_file():
        yield path
    yield from (file for file in path.rglob("*") if file.is_file() and file.suffix != ".pyc")
