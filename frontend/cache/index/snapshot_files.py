"""The files of one snapshot: see `snapshot.py`."""

import hashlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import msgspec

from frontend.cache.index.block import Block
from frontend.cache.index.graph import Graph
from frontend.cache.index.index import CacheIndex
from frontend.cache.index.limits import Limits
from frontend.cache.index.partition import Partition
from frontend.cache.index.snapshot_rows import BLOCK, Damaged, decode, encode
from frontend.common.atomic_write import sync_folder

MANIFEST = "manifest"
MANIFEST_MOST = 64 * 1024 * 1024
FORMAT = "imgen-cache-1"
HASHED_AT_ONCE = 1024 * 1024


class Foreign(Exception):
    """Whole, but not for this server."""


class SnapshotFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    size: int
    sha256: str


class SnapshotPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    key: tuple[str, ...]
    grafted: int
    rows: SnapshotFile
    graph: SnapshotFile | None


class SnapshotManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    dimension: int
    next_order: int
    state: bytes
    parts: list[SnapshotPart]


def save(folder: Path, index: CacheIndex, state: bytes) -> None:
    """Into an empty folder; all of it is on disk when this returns."""
    next_order = index.state.next_order
    with index.still() as partitions:
        parts = [_save_part(folder, index, partition) for partition in partitions]
    # Rows may have come since the first line; orders beyond the last of them are never used twice either.
    manifest = SnapshotManifest(index.dimension, max(next_order, index.state.next_order), state, parts)
    body = msgspec.json.encode(manifest)
    with (folder / MANIFEST).open("xb") as file:
        file.write(f"{FORMAT} {hashlib.sha256(body).hexdigest()}\n".encode() + body)
        _to_disk(file)
    sync_folder(folder)


def _save_part(folder: Path, index: CacheIndex, partition: Partition) -> SnapshotPart:
    with (folder / f"{partition.number}.rows").open("xb") as file:
        for block in _blocks(index, partition):
            file.write(encode(block))
    graph = folder / f"{partition.number}.graph"
    if partition.graph:
        partition.graph.save(graph)
    rows = _seal(folder / f"{partition.number}.rows")
    return SnapshotPart(partition.key, partition.grafted, rows, _seal(graph) if partition.graph else None)


def _blocks(index: CacheIndex, partition: Partition) -> Iterator[Block]:
    with index.state.lock.reading():
        count = len(partition.rows)
    for start in range(0, count, BLOCK):
        with index.state.lock.reading():
            block = partition.block(start, min(start + BLOCK, count))
        yield block


def _seal(path: Path) -> SnapshotFile:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        _to_disk(file)
        return SnapshotFile(path.name, os.fstat(file.fileno()).st_size, sha256)


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def load(folder: Path, dimension: int, limits: Limits) -> tuple[CacheIndex, bytes]:
    """Raises Damaged, Foreign, OSError."""
    manifest = _manifest(folder)
    if manifest.dimension != dimension:
        raise Foreign(f"its vectors have {manifest.dimension} numbers, not {dimension}")
    files = [file for part in manifest.parts for file in (part.rows, part.graph) if file]
    with ThreadPoolExecutor(2) as pool:  # hashing leaves Python's lock to others
        list(pool.map(lambda file: _check(folder, file), files))
    index = CacheIndex(dimension, limits)
    index.state.restore((_load_part(folder, index, part) for part in manifest.parts), manifest.next_order)
    return index, manifest.state


def _manifest(folder: Path) -> SnapshotManifest:
    try:
        with (folder / MANIFEST).open("rb") as file:
            whole = file.read(MANIFEST_MOST + 1)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise Damaged("it has no manifest") from None
    head, _, body = whole.partition(b"\n")
    form, _, sha256 = head.partition(b" ")
    if form.startswith(b"imgen-cache-") and form != FORMAT.encode():
        raise Foreign("another version wrote it")
    if form != FORMAT.encode() or sha256.decode("latin-1") != hashlib.sha256(body).hexdigest():
        raise Damaged("its manifest")
    try:
        return msgspec.json.decode(body, type=SnapshotManifest)
    except msgspec.DecodeError as fault:
        raise Damaged(str(fault)) from None


def _check(folder: Path, expected: SnapshotFile) -> None:
    try:
        with _inside(folder, expected).open("rb") as file:
            if os.fstat(file.fileno()).st_size != expected.size:
                raise Damaged(f"the size of {expected.name}")
            if hashlib.file_digest(file, "sha256").hexdigest() != expected.sha256:
                raise Damaged(f"the content of {expected.name}")
    except FileNotFoundError:
        raise Damaged(f"{expected.name} is missing") from None


def _inside(folder: Path, file: SnapshotFile) -> Path:
    if Path(file.name).name != file.name:
        raise Damaged("a file of it lies elsewhere")
    return folder / file.name


def _load_part(folder: Path, index: CacheIndex, part: SnapshotPart) -> Partition:
    partition = Partition(part.key, index.state.next_number, index.dimension, index.limits)
    index.state.next_number += 1
    with _inside(folder, part.rows).open("rb") as file:
        for block in decode(file, part.rows.size, index.dimension):
            partition.append_block(block)
    try:
        graph = Graph.load(_inside(folder, part.graph), index.dimension, index.limits) if part.graph else None
        partition.restore(graph, part.grafted)
    except (RuntimeError, ValueError) as fault:
        raise Damaged(f"{part.rows.name}: {fault}") from None
    return partition
