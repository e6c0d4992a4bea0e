"""All open connections of a listener: how many there may be, and which of them are given up."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from frontend.http.rate_limit import AnonymousRateLimiter

if TYPE_CHECKING:
    from frontend.http.connection import Connection

MALFORMED_PER_MINUTE = 60  # answers to what is no HTTP, for each address; more of it is not answered
LOOK_S = 0.25


class Connections:
    def __init__(self, most: int, header_timeout_s: float, unsent_s: float) -> None:
        self._most = most
        self._header_timeout_s = header_timeout_s
        self._unsent_s = unsent_s
        self._open: set[Connection] = set()
        self.malformed = AnonymousRateLimiter(MALFORMED_PER_MINUTE)

    def admit(self, connection: "Connection") -> bool:
        """Where all places are taken, the idle one that was silent longest is closed for it."""
        if len(self._open) >= self._most:
            idle = [each for each in self._open if each.idle]
            if not idle:
                return False
            self._give_up(min(idle, key=lambda each: each.used), "crowded out")
        self._open.add(connection)
        return True

    def forget(self, connection: "Connection") -> None:
        self._open.discard(connection)

    async def watch(self) -> None:
        """Gives up those that keep the server waiting. Until cancelled."""
        clock: Callable[[], float] = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(LOOK_S)
            late, unsent = clock() - self._header_timeout_s, clock() - self._unsent_s
            for each in list(self._open):
                if each.head_since is not None and each.head_since < late:
                    self._give_up(each, "header timeout")
                elif each.unsent_since is not None and each.unsent_since < unsent:
                    self._give_up(each, "unread")

    def _give_up(self, connection: "Connection", reason: str) -> None:
        self._open.discard(connection)
        connection.abort(reason)
