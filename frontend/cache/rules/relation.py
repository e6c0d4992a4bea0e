"""What joins two things of a prompt."""

from typing import NamedTuple


class Relation(NamedTuple):
    name: str
    places: int  # 0 for a verb
    both_ways: bool
    before: frozenset[str]  # lemmas
    head: str  # what stands behind it
    marks: frozenset[str] = frozenset()  # what else is said of the head: "red"
