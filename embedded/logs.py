"""The log files of the parts: for this user only, and never larger than disks can bear."""

import asyncio
import contextlib
import os
from pathlib import Path
from typing import BinaryIO

MAX_BYTES = 8 << 20  # of each log, and once more of its older part, NAME.log.1
CHECK_S = 2.0


def open_log(path: Path, *, afresh: bool = False) -> BinaryIO:
    """For appending: what is cut meanwhile goes on at the new end. `afresh` empties it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (os.O_TRUNC if afresh else 0)
    descriptor = os.open(path, flags, 0o600)
    os.fchmod(descriptor, 0o600)  # one that was there may have had another mode
    return os.fdopen(descriptor, "ab")


async def keep_bounded(folder: Path) -> None:
    """Until cancelled."""
    while True:
        await asyncio.to_thread(cut, folder)
        await asyncio.sleep(CHECK_S)


def cut(folder: Path, limit: int = MAX_BYTES) -> None:
    """Moves the last `limit` bytes of each larger log into NAME.log.1 and empties it.

    The writers keep their files open, so they are emptied, not renamed; a line written in between is lost.
    """
    for log in folder.glob("*.log"):
        with contextlib.suppress(OSError):
            if log.stat().st_size > limit:
                with contextlib.suppress(OSError):  # a full disk: emptying it is all the more urgent
                    _keep_end(log, limit)
                os.truncate(log, 0)


def _keep_end(log: Path, limit: int) -> None:
    older = log.with_name(f"{log.name}.1")
    beside = log.with_name(f"{log.name}.1.tmp")
    with log.open("rb") as source, open_log(beside, afresh=True) as target:
        source.seek(-limit, os.SEEK_END)
        target.write(source.read(limit))
    beside.rename(older)
