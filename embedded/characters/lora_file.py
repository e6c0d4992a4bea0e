"""A LoRA from outside: checked before anything reads it whole, and copied piece by piece."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self

from contract.limits import MAX_LORA_BYTES
from contract.safetensors_header import BadSafetensors, read_header
from embedded.characters.errors import CharacterError
from frontend.common.atomic_write import atomic_write

SUFFIX = ".safetensors"
PEFT_WEIGHTS = "adapter_model.safetensors"
PEFT_SETTINGS = "adapter_config.json"
MAX_SETTINGS_BYTES = 4 << 20


@dataclass(frozen=True)
class LoraFile:
    path: Path
    settings: bytes | None  # what PEFT keeps of it in a file beside it: without it the LoRA is another one

    @classmethod
    def open(cls, path: Path) -> Self:
        """`path`: the file, or PEFT's folder. Raises CharacterError for what is no safetensors file of a size
        that we take. Reads its header."""
        if path.is_dir():
            path /= PEFT_WEIGHTS
        if not path.is_file() or not os.access(path, os.R_OK):
            raise CharacterError(f"there is no file {path} that can be read")
        if path.suffix != SUFFIX:
            raise CharacterError(
                f"{path.name} is no {SUFFIX} file; other kinds can run code when they are loaded"
            )
        if path.stat().st_size > MAX_LORA_BYTES:
            raise CharacterError(f"{path.name} is larger than {MAX_LORA_BYTES >> 30} GiB")
        try:
            read_header(path)
        except (BadSafetensors, OSError) as error:
            raise CharacterError(f"Cannot read {path.name}: {error}") from None
        return cls(path, _read_settings(path.parent / PEFT_SETTINGS))

    def name_for(self, character: str) -> Path:
        """Of a copy. With PEFT's settings it has a folder of its own: their file is always named the same."""
        weights = sha256_of(self.path)
        if self.settings is None:
            return Path(f"{character}-{weights[:12]}{SUFFIX}")
        both = hashlib.sha256(bytes.fromhex(weights) + self.settings).hexdigest()
        return Path(f"{character}-{both[:12]}") / PEFT_WEIGHTS

    def copy(self, target: BinaryIO) -> None:
        """Raises OSError."""
        with self.path.open("rb") as source:
            while chunk := source.read(1 << 20):
                target.write(chunk)
        target.flush()

    def copy_settings(self, folder: Path) -> None:
        """Raises OSError."""
        if self.settings is not None:
            atomic_write(folder / PEFT_SETTINGS, self.settings)


def _read_settings(path: Path) -> bytes | None:
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            settings = file.read(MAX_SETTINGS_BYTES + 1)
    except OSError as error:
        raise CharacterError(f"Cannot read {path.name}: {error.strerror}") from None
    if len(settings) > MAX_SETTINGS_BYTES:
        raise CharacterError(f"{path.name} is larger than {MAX_SETTINGS_BYTES >> 20} MiB")
    return settings


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
