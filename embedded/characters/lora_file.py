"""A LoRA file from outside: checked before anything reads it whole, and copied piece by piece."""

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

from contract.limits import MAX_LORA_BYTES
from contract.safetensors_header import BadSafetensors, read_header
from embedded.characters.errors import CharacterError

SUFFIX = ".safetensors"


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
