"""How often a caller without a key may ask."""

import math
from collections import OrderedDict

from frontend.common.errors import ApiError

MAX_ADDRESSES = 10_000  # addresses; the one that was silent longest is forgotten first


class AnonymousRateLimiter:
    """So many questions a minute for each address, all at once if need be. The caller tells the time."""

    def __init__(self, per_minute: int, remembered: int = MAX_ADDRESSES) -> None:
        self._most = float(per_minute)
        self._per_second = per_minute / 60
        self._remembered = remembered
        self._known: OrderedDict[str, tuple[float, float]] = OrderedDict()  # what is left, and when

    def admit(self, address: str, now: float) -> None:
        """Counts one question. `now`: seconds of a clock that only goes forward. Raises ApiError 401, 429."""
        if not self._most:
            raise ApiError(401, "Unauthorized")
        left, since = self._known.get(address, (self._most, now))
        left = min(self._most, left + (now - since) * self._per_second)
        if left < 1:
            wait = math.ceil((1 - left) / self._per_second)
            raise ApiError(429, "Too many requests without a key", {"Retry-After": str(wait)})
        self._known[address] = (left - 1, now)
        self._known.move_to_end(address)
        if len(self._known) > self._remembered:
            self._known.popitem(last=False)
