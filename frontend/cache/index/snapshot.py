"""The index on disk, so that a start need not read the whole log.

    FOLDER/snapshot-000000000012/   manifest, and of each partition N.rows and, where it has one, N.graph
    FOLDER/writing-…/               unfinished; removed by the next writer
    FOLDER/writing.lock             held while one is written; several processes may share the folder
    FOLDER/reading.lock             held, shared, while one is read; nothing is removed then

A snapshot is there whole or not at all: everything is on disk before the folder gets its name. The manifest
has the size and SHA-256 of every file, and its own SHA-256 in front.
"""

import logging
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from frontend.cache.index.file_lock import lock_file
from frontend.cache.index.index import CacheIndex
from frontend.cache.index.limits import Limits
from frontend.cache.index.snapshot_files import Foreign, load, save
from frontend.cache.index.snapshot_rows import Damaged
from frontend.common.atomic_write import sync_folder

KEPT = 2
STATE_MOST = 1024 * 1024
PREFIX = "snapshot-"
UNFINISHED = "writing-"
DIGITS = 12

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Snapshot:
    index: CacheIndex
    state: bytes
    path: Path


def write(folder: Path, index: CacheIndex, state: bytes) -> Path | None:
    """Searches and changes go on meanwhile; graphs do not grow. None: another process is writing one.

    `state` has to be taken before the call: what is added or removed meanwhile may or may not be in the
    snapshot, so whoever reads it adds and removes again what came after `state`. Raises OSError where the
    disk fails.
    """
    if len(state) > STATE_MOST:
        raise ValueError(f"the state has {len(state)} bytes, at most {STATE_MOST}")
    folder.mkdir(parents=True, exist_ok=True)
    with lock_file(folder / "writing.lock", wait=False) as alone:
        if not alone:
            return None
        for leftover in folder.glob(f"{UNFINISHED}*"):
            _discard(leftover)
        beside = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=folder))
        try:
            save(beside, index, state)
            path = folder / f"{PREFIX}{_newest(folder) + 1:0{DIGITS}}"
            beside.rename(path)
        except BaseException:
            _discard(beside)
            raise
        sync_folder(folder)
        _prune(folder)
        return path


def read(folder: Path, dimension: int, limits: Limits) -> Snapshot | None:
    """The newest that is whole and of this dimension. Damaged ones are logged and removed."""
    if not folder.is_dir():
        return None
    with lock_file(folder / "reading.lock", shared=True):
        for path in reversed(list(_snapshots(folder))):
            try:
                index, state = load(path, dimension, limits)
                return Snapshot(index, state, path)
            except Damaged as fault:
                log.warning("cache snapshot %s is damaged (%s): removed", path.name, fault)
                _discard(path)
            except Foreign as fault:
                log.warning("cache snapshot %s is passed over: %s", path.name, fault)
            except OSError as fault:
                log.warning("cache snapshot %s cannot be read: %s", path.name, fault)
    return None


def _snapshots(folder: Path) -> Iterator[Path]:
    """Oldest first; whatever else lies there is left alone."""
    for path in sorted(folder.glob(f"{PREFIX}*")):
        number = path.name.removeprefix(PREFIX)
        if len(number) == DIGITS and number.isascii() and number.isdigit():
            yield path


def _newest(folder: Path) -> int:
    return max((int(path.name.removeprefix(PREFIX)) for path in _snapshots(folder)), default=0)


def _prune(folder: Path) -> None:
    with lock_file(folder / "reading.lock", wait=False) as alone:
        if alone:  # else the next writer does it
            for path in list(_snapshots(folder))[:-KEPT]:
                _discard(path)


def _discard(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
