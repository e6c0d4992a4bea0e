"""A key's way into the page: whoever started the server hands it over by a code that nobody else can have.

Without the code any other site could post a key of its own and have its visitors draw with it.
"""

import secrets

from redis.asyncio import Redis

from contract.redis_keys import HANDOVER_PREFIX
from frontend.keys.secret import digest

LIFE_S = 120
MAX_CODE = 100  # characters


class Handovers:
    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    async def offer(self) -> str:
        """A code, for LIFE_S."""
        code = secrets.token_urlsafe(32)
        await self._redis.set(_name(code), b"", ex=LIFE_S)
        return code

    async def is_open(self, code: str) -> bool:
        return bool(await self._redis.exists(_name(code)))

    async def take(self, code: str) -> bool:
        """Whether it was offered. It is used up by that."""
        return bool(code) and len(code) <= MAX_CODE and bool(await self._redis.delete(_name(code)))

    async def withdraw(self, code: str) -> None:
        await self._redis.delete(_name(code))


def _name(code: str) -> str:
    return f"{HANDOVER_PREFIX}{digest(code)}"
