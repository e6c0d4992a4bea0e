"""The header of a safetensors file: names and shapes of what is in it. A stranger wrote it.

A file begins with the header's length, eight bytes, little-endian; the header is a JSON object.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

LENGTH_BYTES = 8
MAX_HEADER_BYTES = 16 << 20
"""Checkpoints of SDXL have 0.3 MB of it, and some trainers' notes several MB."""
MAX_TENSORS = 65_536
MAX_NAME_CHARACTERS = 500
METADATA = "__metadata__"


class BadSafetensors(Exception):
    """What is wrong with the file, in a few words that follow its name."""


@dataclass(frozen=True)
class SafetensorsHeader:
    shapes: Mapping[str, tuple[int, ...]]  # of each tensor by its name
    types: Mapping[str, str]  # F32, BF16, F8_E4M3, …
    starts: Mapping[str, int]  # bytes behind the header
    metadata: Mapping[str, str]
    data_bytes: int  # that follow it

    def named(self, old: str, new: str) -> "SafetensorsHeader":
        """With `new` in place of `old`, with which names begin."""

        def rename(name: str) -> str:
            return new + name.removeprefix(old) if name.startswith(old) else name

        return replace(
            self,
            shapes={rename(name): shape for name, shape in self.shapes.items()},
            types={rename(name): kind for name, kind in self.types.items()},
            starts={rename(name): start for name, start in self.starts.items()},
        )

    def beside(self, other: "SafetensorsHeader", prefix: str) -> "SafetensorsHeader":
        """As if the other file's tensors, with `prefix` before their names, were in this one. Where they
        begin is left as it is in each file."""
        return replace(
            self,
            shapes={**self.shapes, **{prefix + name: shape for name, shape in other.shapes.items()}},
            types={**self.types, **{prefix + name: kind for name, kind in other.types.items()}},
            data_bytes=self.data_bytes + other.data_bytes,
        )

    @property
    def values(self) -> int:
        """Numbers in the whole file."""
        return sum(map(math.prod, self.shapes.values()))

    def values_of(self, beginnings: tuple[str, ...]) -> int:
        """Numbers in the tensors whose names begin with one of these."""
        return sum(math.prod(shape) for name, shape in self.shapes.items() if name.startswith(beginnings))


def read_header(path: Path) -> SafetensorsHeader:
    """Raises BadSafetensors and OSError."""
    if not path.is_file():  # a pipe would be waited for
        raise BadSafetensors("there is no such file")
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(LENGTH_BYTES), "little")
        if not 0 < length <= size - LENGTH_BYTES:
            raise BadSafetensors("it does not begin with a header of safetensors")
        if length > MAX_HEADER_BYTES:
            raise BadSafetensors(f"its header is larger than {MAX_HEADER_BYTES >> 20} MiB")
        header = parse_header(file.read(length))
    if LENGTH_BYTES + length + header.data_bytes != size:
        raise BadSafetensors(f"it is not whole, or not its own: {size:,} bytes")
    return header


def data_start(path: Path) -> int:
    """Where the first tensor begins, in bytes, in a file that read_header has read."""
    with path.open("rb") as file:
        return LENGTH_BYTES + int.from_bytes(file.read(LENGTH_BYTES), "little")


def parse_header(data: bytes) -> SafetensorsHeader:
    """`data`: without its length. Where the tensors lie is left to who reads them. Raises BadSafetensors."""
    try:
        found = json.loads(data)
        metadata = found.pop(METADATA, {})
        shapes = {name: _sizes(entry["shape"]) for name, entry in found.items()}
        types = {name: str(entry["dtype"]) for name, entry in found.items()}
        places = {name: _sizes(entry["data_offsets"]) for name, entry in found.items()}
        starts = {name: place[0] for name, place in places.items()}
        ends = [place[1] for place in places.values()]
        texts = all(isinstance(text, str) for text in metadata.values())
    except (ValueError, AttributeError, TypeError, LookupError, RecursionError):
        raise BadSafetensors("it does not begin with a header of safetensors") from None
    if not texts:
        raise BadSafetensors("it does not begin with a header of safetensors")
    if len(shapes) > MAX_TENSORS:
        raise BadSafetensors(f"it has {len(shapes):,} tensors; expected at most {MAX_TENSORS:,}")
    for name in shapes:
        if not name.isprintable() or len(name) > MAX_NAME_CHARACTERS:
            raise BadSafetensors(f"it has a tensor with a name that cannot be printed: {name[:80]!r}")
    return SafetensorsHeader(shapes, types, starts, metadata, max(ends, default=0))


def _sizes(found: Any) -> tuple[int, ...]:
    if not isinstance(found, list) or not all(type(size) is int and size >= 0 for size in found):
        raise TypeError
    return tuple(found)
