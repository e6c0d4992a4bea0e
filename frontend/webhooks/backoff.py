"""When a delivery is tried again, and when it is given up."""

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    first_s: float
    within_s: float = 3_600.0  # from the end of the job to the last attempt

    @property
    def most_s(self) -> float:
        return 120 * self.first_s

    def wait_s(self, tries: int) -> float:
        """After so many attempts: twice as long each time, give or take a quarter, so that what failed
        together does not come back together."""
        doubled = self.first_s * 2.0 ** min(tries - 1, 30)
        return min(doubled, self.most_s) * random.uniform(0.75, 1.25)  # noqa: S311
