"""Whether Redis has room for new jobs: they are refused before Redis would refuse any write."""

import asyncio
import logging
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError, RedisError

from frontend.common.errors import ApiError
from frontend.common.supervised import SupervisedLoop

log = logging.getLogger(__name__)
EVERY_S = 1.0
FREE = 0.1  # of maxmemory, for what becomes of the jobs that were accepted
RETRY_S = 30


def is_full(error: RedisError) -> bool:
    """Whether Redis refused a write because of its maxmemory; it names scripts' errors otherwise."""
    return isinstance(error, OutOfMemoryError) or "OOM command not allowed" in str(error)


def full() -> ApiError:
    return ApiError(503, "Server is full", {"Retry-After": str(RETRY_S)})


class RedisMemory:
    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self.used = 0.0  # share of maxmemory; 0 where there is none
        self._policy = "noeviction"

    async def watch(self) -> None:
        """Until cancelled."""
        await SupervisedLoop("the memory of Redis cannot be watched", self._turn, log).run()

    async def _turn(self) -> None:
        await self.look()
        await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        memory: dict[str, Any] = await self._redis.info("memory")
        most = memory["maxmemory"]
        self.used = memory["used_memory"] / most if most else 0.0
        self._policy = memory["maxmemory_policy"]

    def admit(self) -> None:
        """Raises ApiError 503 where a new job could leave too little for the others."""
        if self.used > 1 - FREE:
            raise full()

    def warnings(self) -> list[str]:
        found = []
        if self.used > 1 - FREE:
            found.append(f"Redis: {self.used:.0%} of its maxmemory are in use, and orders are answered 503")
        if self._policy != "noeviction":
            found.append(f"Redis: its maxmemory-policy {self._policy} may drop jobs; set it to noeviction")
        return found
