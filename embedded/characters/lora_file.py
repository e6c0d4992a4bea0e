"""A LoRA file from outside: checked before anything reads it whole, and copied piece by piece."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from contract.limits import MAX_LORA_BYTES
from contract.peft_files import find_settings, settings_of_copy
from contract.safetensors_header import BadSafetensors, read_header
from embedded.characters.errors import CharacterError

SUFFIX = ".safetensors"
MAX_NAMES = 5  # of files, in an error


def find_lora_file(path: Path) -> Path:
    """`path`: of the file, or of the folder that PEFT or diffusers saved one into, and no other.

    Raises CharacterError.
    """
    if path.suffix == SUFFIX or not path.is_dir():
        return path
    found = sorted(path.glob(f"*{SUFFIX}"))
    if len(found) != 1:
        names = ", ".join(file.name for file in found[:MAX_NAMES]) or "none"
        raise CharacterError(f"{path} has {len(found):,} {SUFFIX} files ({names}): name the LoRA's own")
    return found[0]


def copies_of(lora: Path, target: Path) -> Iterator[tuple[Path, Path]]:
    """What is to be copied for a LoRA that check_lora_file has seen, and where to: the file, and PEFT's
    settings beside it, without which no later merge knows its scale."""
    yield lora, target
    if settings := find_settings(lora, read_header(lora).shapes):
        yield settings, settings_of_copy(target)


def check_lora_file(path: Path) -> None:
    """Raises CharacterError for what is no safetensors file of a size that we take. Reads its header."""
    if not path.is_file() or not os.access(path, os.R_OK):
        raise CharacterError(f"there is no file {path} that can be read")
    if path.suffix != SUFFIX:
        raise CharacterError(
            f"{path.name} is no {SUFFIX} file; other kinds can run code when they are loaded"
        )
    size = path.stat().st_size
    if size > MAX_LORA_BYTES:
        raise CharacterError(f"{path.name} is larger than {MAX_LORA_BYTES >> 30} GiB")
    try:
        read_header(path)
    except (BadSafetensors, OSError) as error:
        raise CharacterError(f"Cannot read {path.name}: {error}") from None


def copy_lora_file(path: Path, target: BinaryIO) -> None:
    """Raises OSError."""
    with path.open("rb") as source:
        while chunk := source.read(1 << 20):
            target.write(chunk)
    target.flush()


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
