"""A LoRA file from outside: checked before anything reads it whole, and copied piece by piece."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from contract.limits import MAX_LORA_BYTES
from contract.peft_files import find_settings, settings_of_copy
from contract.safetensors_header import BadSafetensors, read_header
from embedded.characters.errors import CharacterError

SUFFIX = ".safetensors"
MAX_NAMES = 5  # of files, in an error
MAX_SETTINGS_BYTES = 4 << 20


@dataclass(frozen=True)
class LoraFile:
    path: Path
    settings: Path | None  # what PEFT keeps of it in a file beside it: without it the LoRA is another one

    @classmethod
    def open(cls, path: Path) -> Self:
        """`path`: of the file, or of the folder that PEFT or diffusers saved one into, and no other.

        Reads its header. Raises CharacterError for what is no safetensors file of a size that we take.
        """
        path = _find_file(path)
        if not path.is_file() or not os.access(path, os.R_OK):
            raise CharacterError(f"there is no file {path} that can be read")
        if path.suffix != SUFFIX:
            raise CharacterError(
                f"{path.name} is no {SUFFIX} file; other kinds can run code when they are loaded"
            )
        if path.stat().st_size > MAX_LORA_BYTES:
            raise CharacterError(f"{path.name} is larger than {MAX_LORA_BYTES >> 30} GiB")
        try:
            settings = find_settings(path, read_header(path).shapes)
        except (BadSafetensors, OSError) as error:
            raise CharacterError(f"Cannot read {path.name}: {error}") from None
        if settings is not None and settings.stat().st_size > MAX_SETTINGS_BYTES:
            raise CharacterError(f"{settings.name} is larger than {MAX_SETTINGS_BYTES >> 20} MiB")
        return cls(path, settings)

    def name_for(self, character: str) -> str:
        """Of a copy: another one for other weights or settings."""
        digest = sha256_of(self.path)
        if self.settings is not None:
            digest = hashlib.sha256(f"{digest}{sha256_of(self.settings)}".encode()).hexdigest()
        return f"{character}-{digest[:12]}{SUFFIX}"

    def copies(self, target: Path) -> Iterator[tuple[Path, Path]]:
        """What is to be copied, and where to: many copies share a folder."""
        yield self.path, target
        if self.settings is not None:
            yield self.settings, settings_of_copy(target)


def copy_file(path: Path, target: BinaryIO) -> None:
    """Raises OSError."""
    with path.open("rb") as source:
        while chunk := source.read(1 << 20):
            target.write(chunk)
    target.flush()


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _find_file(path: Path) -> Path:
    if path.suffix == SUFFIX or not path.is_dir():
        return path
    found = sorted(path.glob(f"*{SUFFIX}"))
    if len(found) != 1:
        names = ", ".join(file.name for file in found[:MAX_NAMES]) or "none"
        raise CharacterError(f"{path} has {len(found):,} {SUFFIX} files ({names}): name the LoRA's own")
    return found[0]
