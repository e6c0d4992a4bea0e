"""What Linux knows of processes: their CPU time, memory and children (proc(5))."""

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
