"""The log files of the parts: for this user only, and never larger than disks can bear."""

import asyncio
import contextlib
import os
import re
from pathlib import Path
from typing import BinaryIO

from frontend.common.atomic_write import atomic_write

MAX_BYTES = 8 << 20  # of each log, and once more of its older part, NAME.log.1
CHECK_S = 2.0
MAX_TAIL_BYTES = 64 << 10  # of a log, looked through for what went wrong
MAX_LINE_CHARACTERS = 300
FAILURE = re.compile(r"error|fail|fatal|exception", re.IGNORECASE)


def open_log(path: Path, *, afresh: bool = False) -> BinaryIO:
    """For appending: what is cut meanwhile goes on at the new end. `afresh` empties it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (os.O_TRUNC if afresh else 0)
    descriptor = os.open(path, flags, 0o600)
    os.fchmod(descriptor, 0o600)  # one that was there may have had another mode
    return os.fdopen(descriptor, "ab")


def last_error_line(path: Path) -> str:
    """The last line that speaks of a failure, else the last one, of the log's end; "" where there is none.

    Processes say a good deal after what ended them. Cut to MAX_LINE_CHARACTERS, all of them printable.
    """
    with contextlib.suppress(OSError), path.open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - MAX_TAIL_BYTES))
        text = log.read().decode(errors="replace")
        cleaned = ("".join(filter(str.isprintable, line)).strip() for line in text.splitlines())
        lines = [line for line in cleaned if line]
        failures = [line for line in lines if FAILURE.search(line)]
        return (failures or lines or [""])[-1][:MAX_LINE_CHARACTERS]
    return ""


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
    with log.open("rb") as source:
        source.seek(-limit, os.SEEK_END)
        atomic_write(older, source.read(limit), mode=0o600)
