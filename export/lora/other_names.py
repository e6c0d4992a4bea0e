"""What other programs call a network's modules."""

from dataclasses import dataclass


@dataclass(frozen=True)
class OtherName:
    theirs: str  # a module's path
    ours: tuple[str, ...]
    """Module paths in diffusers. Where they are several, theirs makes the outputs of the first, then of the
    next, …: queries, keys and values in one."""
    swapped: bool = False  # whether the two halves of its outputs stand the other way round there
