"""How many of how many, and how far that can be trusted."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

Z = 1.959964
"""Standard deviations of a 95 % interval."""


@dataclass(frozen=True)
class Share:
    found: int
    of: int

    @classmethod
    def count(cls, each: Iterable[bool]) -> "Share":
        found = list(each)
        return cls(sum(found), len(found))

    @property
    def value(self) -> float | None:
        return round(self.found / self.of, 4) if self.of else None

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's score interval (E. B. Wilson, 1927), 95 %; all of 0 to 1 where nothing was counted."""
        if not self.of:
            return 0.0, 1.0
        share, n = self.found / self.of, self.of
        middle = share + Z**2 / (2 * n)
        reach = Z * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
        scale = 1 + Z**2 / n
        return round(max(0.0, (middle - reach) / scale), 4), round(min(1.0, (middle + reach) / scale), 4)

    def __str__(self) -> str:
        if not self.of:
            return "–"
        low, high = (f"{100 * bound:.0f}" for bound in self.interval)
        return f"{self.found}/{self.of} {100 * self.found / self.of:.0f} % ({low}–{high})"
