"""Finished stages of an export, so that one that was killed goes on where it was."""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from export.errors import ExportError
from export.repository.staging import staging

KEY_FILE = "export.json"  # in every part: the key of the stage that made it
READ = (".safetensors", ".json", ".txt")  # kinds of files in a checkpoint that an export reads
LIBRARIES = ("torch", "diffusers", "transformers", "optimum", "onnx")
FORMAT = 2  # raised when the same inputs shall make something else


class FinishedStages:
    """The hidden folder .{name}.work in a repository. A stage is known by all that decides its outcome."""

    def __init__(self, output: Path, name: str) -> None:
        self._output, self._name = output, name
        self._made = not output.exists()
        self._folder = output / f".{name}.work"

    def stage(self, part: str, key: str, make: Callable[[Path], None]) -> Path:
        """The part's folder: as published with this key, or as an earlier run left it, or made now."""
        published = self._output / f"{self._name}-{part}"
        if key_of(published) == key:
            return published
        kept = self._folder / key / f"{self._name}-{part}"
        try:
            self._make(kept, key, part, make)
        finally:
            with suppress(OSError):
                self._folder.rmdir()  # which goes if nothing was finished
                if self._made:
                    self._output.rmdir()
        return kept

    def _make(self, kept: Path, key: str, part: str, make: Callable[[Path], None]) -> None:
        if key_of(kept) != key:  # where a killed run had just published it, there may be what it replaced
            shutil.rmtree(kept, ignore_errors=True)
            with staging(self._folder, part) as folder:
                new = folder / kept.name
                new.mkdir()
                make(new)
                (new / KEY_FILE).write_text(json.dumps({"key": key}) + "\n")
                kept.parent.mkdir(parents=True, exist_ok=True)
                new.rename(kept)

    def finish(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def key_of(folder: Path) -> str | None:
    try:
        found: str = json.loads((folder / KEY_FILE).read_bytes())["key"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found


def key(**decides: Any) -> str:
    """SHA-256 of all that decides a stage's outcome, the libraries' versions among it."""
    versions = {name: version(name) for name in LIBRARIES}
    text = json.dumps({"format": FORMAT, "versions": versions, **decides}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def digests(checkpoint: Path) -> Mapping[str, str]:
    """SHA-256 of what an export reads: of a single file, or of each folder of a checkpoint by its name."""
    try:
        if checkpoint.is_file():
            return {"": _digest([checkpoint])}
        folders = sorted(path for path in checkpoint.iterdir() if path.is_dir())
        files = {
            folder.name: sorted(path for path in folder.iterdir() if path.suffix in READ and path.is_file())
            for folder in folders
        }
        return {name: _digest(found) for name, found in files.items() if found}
    except OSError as error:
        raise ExportError(f"Cannot read {checkpoint}: {error.strerror}") from None


def _digest(files: list[Path]) -> str:
    whole = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            whole.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()
