"""A file system of a few MiB, which a test fills, frees, and makes read-only."""

import contextlib
import errno
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

MIB = 1 << 20


@dataclass(frozen=True)
class SmallDisk:
    folder: Path

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"

    def fill(self) -> None:
        """To the last byte."""
        self.take_room()
        with pytest.raises(OSError, match=f"Errno {errno.ENOSPC}"):
            (self.folder / "more").write_bytes(bytes(4096))

    def take_room(self) -> None:
        """All that there is at this moment, while others write and delete beside it."""
        with self._filler.open("ab", buffering=0) as file:
            for size in (MIB, 4096, 1):
                with contextlib.suppress(OSError):
                    while file.write(bytes(size)):
                        pass

    def free(self) -> None:
        self._filler.unlink()

    def remount(self, how: str) -> None:
        """`how`: ro or rw."""
        subprocess.run(["mount", "-o", f"remount,{how}", str(self.folder)], check=True)


@contextlib.contextmanager
def small_disk(folder: Path, mib: int, owner: int | None = None) -> Iterator[SmallDisk]:
    """Mounted at `folder`, for `owner` (None: this user). Skips the test where this user may not mount."""
    folder.mkdir()
    uid = os.getuid() if owner is None else owner
    options = f"size={mib}m,mode=700,uid={uid},gid={uid}"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no file system of its own can be mounted: {done.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
