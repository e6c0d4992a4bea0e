"""All open connections of a listener: how many there may be, and which of them are given up."""

import asyncio
from typing import Protocol

from frontend.http.rate_limit import AnonymousRateLimiter

MALFORMED_PER_MINUTE = 60  # answers to what is no HTTP, for each address; more of it is not answered
LOOK_S = 0.25


class OpenConnection(Protocol):
    """What is asked of each; times are the loop's."""

    head_since: float | None  # since when a request's head is awaited
    unsent_since: float | None  # since when the client has not read what was sent
    used: float  # when it last sent something

    @property
    def idle(self) -> bool:
        """Whether no request of it is being answered."""

    def abort(self, reason: str) -> None:
        """At once, whatever is still to be sent."""


class Connections:
    def __init__(self, most: int, header_timeout_s: float, unsent_s: float) -> None:
        self._most = most
        self._header_timeout_s = header_timeout_s
        self._unsent_s = unsent_s
        self._open: set[OpenConnection] = set()
        self.malformed = AnonymousRateLimiter(MALFORMED_PER_MINUTE)

    def admit(self, connection: OpenConnection) -> bool:
        """Where all places are taken, the idle one that was silent longest is closed for it."""
        if len(self._open) >= self._most:
            idle = [each for each in self._open if each.idle]
            if not idle:
                return False
            self._give_up(min(idle, key=lambda each: each.used), "crowded out")
        self._open.add(connection)
        return True

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
