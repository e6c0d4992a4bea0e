"""A lock in Redis for one name, which ends by itself when its holder dies."""

import contextlib
import secrets
from collections.abc import AsyncIterator

from redis.asyncio import Redis
from redis.exceptions import RedisError

# A client library that lost our answer asks again, and must not find its own lock to be somebody else's.
_TAKE = """
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then return 1 end
if holder then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2]) -- at maxmemory a script's first write must need no memory
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_GIVE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class Lock:
    def __init__(self, redis: "Redis", life_s: float) -> None:
        self._life_ms = int(life_s * 1000)
        self._take = redis.register_script(_TAKE)
        self._give = redis.register_script(_GIVE)

    @contextlib.asynccontextmanager
    async def attempt(self, name: str) -> AsyncIterator[bool]:
        """Whether the lock is ours while the body runs; it is given back however the body ends."""
        token = secrets.token_hex(16)
        try:
            yield bool(await self._take(keys=[name], args=[token, self._life_ms]))
        finally:
            with contextlib.suppress(RedisError):
                await self._give(keys=[name], args=[token])
