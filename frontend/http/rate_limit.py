"""Callers without a key: who they are, as far as that can be told, and how often they may ask."""

import math
from collections import OrderedDict
from collections.abc import Sequence

from frontend.common.errors import ApiError
from frontend.net.networks import Network, lies_in, plain

REMEMBERED = 10_000  # addresses; the one that was silent longest is forgotten first


class Visitors:
    """So many questions a minute for each address, all at once if need be. The caller tells the time."""

    def __init__(self, per_minute: int, remembered: int = REMEMBERED) -> None:
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


def address_of(remote: str | None, forwarded: str, proxies: Sequence[Network]) -> str:
    """Whose question it is. `forwarded`: X-Forwarded-For, believed as far as our own proxies wrote it.

    IPv6 addresses count by their /64, which is what one subscriber has.
    """
    hops = [*forwarded.split(","), remote or ""]
    found = ""
    for hop in reversed(hops[-16:]):
        try:
            address = plain(hop.strip().strip("[]"))
        except ValueError:
            break
        found = str(address) if address.version == 4 else f"{int(address) >> 64:x}::/64"
        if not lies_in(address, proxies):
            break
    return found
