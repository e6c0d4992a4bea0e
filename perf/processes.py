"""What Linux knows of processes: their CPU time, memory and children (proc(5))."""

import contextlib
import os
from pathlib import Path

PROC = Path("/proc")
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time that the process and its threads have used so far."""
    fields = _stat((PROC / str(pid) / "stat").read_text())
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def _stat(text: str) -> list[str]:
    """Everything after the name, which may hold spaces and brackets: state, parent, …"""
    return text.rpartition(")")[2].split()


def descendants(pid: int) -> set[int]:
    """Every process below `pid`."""
    parents = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # ended meanwhile
                parents[int(entry.name)] = int(_stat((entry / "stat").read_text())[1])
    found: set[int] = set()
    front = {pid}
    while front := {child for child, parent in parents.items() if parent in front} - found:
        found |= front
    return found


def proportional_mib(pid: int | str) -> float:
    """PSS: memory of its own, and its share of what it shares with others."""
    rollup = (PROC / str(pid) / "smaps_rollup").read_text()
    line = next(line for line in rollup.splitlines() if line.startswith("Pss:"))
    return int(line.split()[1]) / 1024


def title(pid: int) -> str:
    """What it runs, in one or two words: `triton eros-decoder`, `cli.main serve`, `redis-server`."""
    command = (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    program = Path(command[0].split()[0]).name
    if program == "triton_python_backend_stub":
        instance = next((word for word in command if word.endswith("_0_0")), "")
        return f"triton {instance.removesuffix('_0_0')}".strip()
    module = command[command.index("-m") + 1 : command.index("-m") + 3] if "-m" in command else []
    return " ".join(word for word in module if not word.startswith("-") and not word.isdigit()) or program
