"""Files that a reader finds as they were or whole and new, never a half, whenever a process is killed.

Written beside, forced to disk, renamed, and the folder forced to disk, so that the name is there too.
Needs the standard library alone: the exporter and the command line write by it, too.
"""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def atomic_file(
    path: Path, *, mode: int = 0o666, replace: bool = True, beside: Path | None = None
) -> Iterator[BinaryIO]:
    """A file to write to, which is `path` once the body has ended well; missing folders are made.

    `mode`: permissions, less the umask. `replace` off: what another process wrote first stays. `beside`: the
    folder on the same file system that it is written in, where it is not `path`'s own. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = (beside or path.parent) / f".{path.name[:200]}.{secrets.token_hex(8)}.tmp"
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if replace:
            draft.replace(path)
        else:  # unlike a rename, a link never replaces
            with contextlib.suppress(FileExistsError):
                path.hardlink_to(draft)
        sync_folder(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def atomic_write(
    path: Path, data: bytes, *, mode: int = 0o666, replace: bool = True, beside: Path | None = None
) -> None:
    """See atomic_file. Raises OSError."""
    with atomic_file(path, mode=mode, replace=replace, beside=beside) as file:
        file.write(data)


def sync_folder(folder: Path) -> None:
    """Forces the names in it to disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
