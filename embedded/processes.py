"""What runs on this machine."""

from collections.abc import Iterator
from pathlib import Path


def processes() -> Iterator[tuple[int, str, str, int]]:
    """(pid, name, state, parent's pid) of every process, from /proc/PID/stat; see proc_pid_stat(5)."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            before, _, after = stat.read_text(errors="replace").rpartition(")")
        except (FileNotFoundError, ProcessLookupError):  # ended while we looked
            continue
        number, _, name = before.partition(" (")
        state, parent = after.split()[:2]
        yield int(number), name, state, int(parent)
