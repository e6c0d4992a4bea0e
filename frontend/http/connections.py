"""All open connections of a listener: how many there may be, and which of them are given up."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from frontend.http.rate_limit import AnonymousRateLimiter
from frontend.net.client_address import address_of
from frontend.net.networks import Network, lies_in, plain

MALFORMED_PER_MINUTE = 60  # answers to what is no HTTP, for each address; more of it is not answered
LOOK_S = 0.25
SHARE = 4  # where all places are taken and none is idle, an address that holds more than a fourth gives way


class OpenConnection(Protocol):
    """What is asked of each; times are the loop's."""

    head_since: float | None  # since when a request's head is awaited
    unsent_since: float | None  # since when the client has not read what was sent
    used: float  # when it last sent something
    address: str  # whose it is, as Connections.address_of has it

    @property
    def idle(self) -> bool:
        """Whether no request of it is being answered."""

    def abort(self, reason: str) -> None:
        """At once, whatever is still to be sent."""


class Connections:
    def __init__(
        self, most: int, header_timeout_s: float, unsent_s: float, proxies: Sequence[Network] = ()
    ) -> None:
        """`proxies`: our own, who bring everybody's connections and may hold all places."""
        self._most = most
        self._proxies = proxies
        self._header_timeout_s = header_timeout_s
        self._unsent_s = unsent_s
        self._open: set[OpenConnection] = set()
        self.malformed = AnonymousRateLimiter(MALFORMED_PER_MINUTE)

    def address_of(self, peer: object) -> str:
        """Of a socket's name, IPv6 by its /64. "": nobody's in particular, a proxy's or a Unix socket's."""
        host = str(peer[0]) if isinstance(peer, tuple) else ""
        if not host or lies_in(plain(host), self._proxies):
            return ""
        return address_of(host, "", ())

    def admit(self, connection: OpenConnection) -> bool:
        """Where all places are taken, one is closed for it, if one may be: see _spare."""
        if len(self._open) >= self._most:
            spare = self._spare(connection.address)
            if spare is None:
                return False
            self._give_up(spare, "crowded out")
        self._open.add(connection)
        return True

    def _spare(self, newcomer: str) -> OpenConnection | None:
        """The idle one that was silent longest; where none is idle, that of the address that has too many."""
        places = [each for each in self._open if each.idle]
        if not places:
            held = Counter(each.address for each in self._open if each.address)
            address, count = max(held.items(), key=lambda item: item[1], default=("", 0))
            if count > self._most / SHARE and address != newcomer:
                places = [each for each in self._open if each.address == address]
        return min(places, key=lambda each: each.used, default=None)

    def forget(self, connection: OpenConnection) -> None:
        self._open.discard(connection)

    async def watch(self) -> None:
        """Gives up those that keep the server waiting. Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LOOK_S)
            self.give_up_late(loop.time())

    def give_up_late(self, now: float) -> None:
        for each in list(self._open):
            if each.head_since is not None and each.head_since < now - self._header_timeout_s:
                self._give_up(each, "header timeout")
            elif each.unsent_since is not None and each.unsent_since < now - self._unsent_s:
                self._give_up(each, "unread")

    def _give_up(self, connection: OpenConnection, reason: str) -> None:
        self._open.discard(connection)
        connection.abort(reason)
