"""Writing so that a reader sees the old folder or the whole new one, never a half: beside, then renamed."""

import contextlib
import ctypes
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

AT_FDCWD, RENAME_EXCHANGE = -100, 2  # linux/fs.h
UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def staging(parent: Path, name: str) -> Iterator[Path]:
    """An empty folder in `parent` (so on its file system), gone afterwards.

    A killed process leaves it behind: .{name}-….tmp, which git ignores and nothing here loads. The next one
    that stages the same name deletes it: the owner's lock on it is gone with the owner.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob(f".{name}-*.tmp"):
        _delete_if_left(left)
    folder, lock = _locked_folder(parent, name)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _delete_if_left(folder: Path) -> None:
    with contextlib.suppress(OSError):
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)


def _locked_folder(parent: Path, name: str) -> tuple[Path, int]:
    """A new folder and the descriptor that holds its lock."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=f".{name}-", suffix=".tmp", dir=parent))
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        # A file system without locks has none that another process could take to delete it, either.
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        if os.fstat(
            lock
        ).st_nlink:  # else another process took it for one that was left, just before the lock
            return folder, lock
        os.close(lock)


def publish(new: Path, target: Path) -> None:
    """Puts the folder `new`, which lies in a staging folder, in `target`'s place, in one step."""
    if not target.exists():
        new.rename(target)
        return
    # What was there is now in the staging folder, and goes with it.
    if _libc.renameat2(AT_FDCWD, os.fsencode(new), AT_FDCWD, os.fsencode(target), RENAME_EXCHANGE) == 0:
        return
    code = ctypes.get_errno()
    if code not in UNSUPPORTED:
        raise OSError(code, os.strerror(code), os.fspath(target))
    # Some network file systems cannot exchange; for a moment there is neither.
    target.rename(new.with_name(f"{new.name}.old"))
    new.rename(target)
