"""How much one job may take in a cell, and what ended one that took more."""

from dataclasses import dataclass
from enum import StrEnum

from frontend.cells.structure import TOO_LONG


class LimitKind(StrEnum):
    CPU = "cpu"
    WALL = "wall"
    MEMORY = "memory"
    CRASH = "crash"  # none of ours: the code in it broke


@dataclass(frozen=True, kw_only=True)
class CellLimits:
    cpu_s: float  # of a job
    wall_s: float  # of a job, its bytes' way to the cell and back included
    memory_bytes: int  # of the cell, on top of what it has mapped before its first job
    niceness: int = 0  # on top of the server's


class LimitPassed(Exception):
    """The job is lost and its cell is gone; another one takes its place."""

    def __init__(self, limit: LimitKind) -> None:
        super().__init__(limit.value)
        self.limit = limit
        self.words = _WORDS[limit]


_WORDS = {
    LimitKind.CPU: TOO_LONG,
    LimitKind.WALL: TOO_LONG,
    LimitKind.MEMORY: "takes too much memory to decode",
    LimitKind.CRASH: "cannot be decoded",
}
"""For the client whose bytes they were."""


class CellRefusal(ValueError):
    """A function of the table said no, in these words."""
