"""How long is waited for a server that is away, and between two attempts."""

import random
import time

FIRST_S = 0.4
MOST_S = 8.0


class Patience:
    """Of one request that is sent again: at most `patience_s` from its first failure on."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._failures = 0
        self._since = 0.0

    def next(self, retry_after: float | None) -> float | None:
        """Seconds until the next attempt; None: it would come too late."""
        now = time.monotonic()
        if self._failures == 0:
            self._since = now
        backoff = min(FIRST_S * 2.0 ** min(self._failures, 10), MOST_S)
        self._failures += 1
        # Spread, so that many clients do not come back at one moment; never before they were told to.
        spread = random.random()  # noqa: S311
        wait = backoff * (0.5 + spread / 2) if retry_after is None else retry_after + spread * FIRST_S
        return None if now + wait - self._since > self._patience_s else wait

    def renew(self) -> None:
        self._failures = 0
