"""How much of a LoRA is merged in: as a whole, and more or less in single blocks."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from contract.limits import MAX_STRENGTH
from export.errors import ExportError


@dataclass(frozen=True)
class Strength:
    whole: float = 1.0
    blocks: Mapping[str, float] = field(default_factory=dict)
    """Factor by how a weight's path begins, such as unet.up_blocks.1; the longest beginning counts. 0 leaves
    the block as it is in the base."""

    def __post_init__(self) -> None:
        if not math.isfinite(self.whole) or not 0 < abs(self.whole) <= MAX_STRENGTH:
            raise ExportError(
                f"The strength {self.whole} must be between -{MAX_STRENGTH:g} and {MAX_STRENGTH:g}, not 0"
            )
        for block, factor in self.blocks.items():
            if not math.isfinite(factor) or abs(factor) > MAX_STRENGTH:
                raise ExportError(
                    f"The strength {factor} of {block} must be between -{MAX_STRENGTH:g} and {MAX_STRENGTH:g}"
                )

    def of(self, path: str) -> float:
        """`path` of a module, such as unet.up_blocks.1.attentions.0.proj_in."""
        found = [block for block in self.blocks if _begins(path, block)]
        return self.whole * (self.blocks[max(found, key=len)] if found else 1.0)

    def check(self, paths: Iterable[str]) -> None:
        """Raises ExportError for a block that is the beginning of none of the paths."""
        known = list(paths)
        for block in self.blocks:
            if not any(_begins(path, block) for path in known):
                raise ExportError(
                    f"The LoRA changes nothing in the block {block}; it changes {_blocks(known)}"
                )


def strength_of_options(whole: float, blocks: Sequence[str]) -> Strength:
    """`blocks`: PATH=FACTOR each. Raises ExportError."""
    factors = {}
    for text in blocks:
        block, found, factor = text.partition("=")
        try:
            factors[block] = float(factor)
        except ValueError:
            found = ""
        if not found or not block:
            raise ExportError(f"--block {text}: expected PATH=FACTOR, such as unet.up_blocks.1=0.5")
    return Strength(whole, factors)


def _begins(path: str, block: str) -> bool:
    return path == block or path.startswith(f"{block}.")


def _blocks(paths: Iterable[str]) -> str:
    return ", ".join(sorted({".".join(path.split(".")[: 3 if "_blocks." in path else 2]) for path in paths}))
