"""Whether Redis takes writes, and which setting to look at where it does not."""

from redis.asyncio import Redis
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from contract.redis_keys import READY
from frontend.common.probe import NotReady

LIFE_S = 60
# The first row that fits counts.
_FAULTS: tuple[tuple[type[RedisError], str], ...] = (
    (ReadOnlyError, "IMGEN_REDIS_URL: that Redis is a read-only replica; name the one that it follows"),
    (OutOfMemoryError, "Redis: all of its maxmemory is in use (IMGEN_REDIS_MAX_MB of `imgen up`)"),
    (AuthenticationError, "IMGEN_REDIS_URL: wrong user or password, or none"),
    (NoPermissionError, "IMGEN_REDIS_URL: its user may not write imgen:* keys (ACL)"),
    (BusyLoadingError, "Redis: is still reading its data from disk"),
)
# Of errors that the client library has no class for, by their first word.
_WORDS = {
    "MISCONF": "Redis: cannot write to its disk; look at its log and for free space",
    "NOREPLICAS": "Redis: has fewer replicas than its min-replicas-to-write",
    "NOAUTH": "IMGEN_REDIS_URL: wrong user or password, or none",
}


async def check_redis(redis: "Redis") -> None:
    """`redis`: as connect_to_probe makes it. Raises NotReady unless it takes a write."""
    try:
        await redis.set(READY, "", ex=LIFE_S)
    except (RedisError, OSError) as error:
        raise NotReady(redis_fault(error)) from error


def redis_fault(error: RedisError | OSError) -> str:
    """In one line for operators; never the URL, which may hold a password."""
    for kind, words in _FAULTS:
        if isinstance(error, kind) or isinstance(error.__cause__, kind):  # what ended a connection's start
            return words
    if isinstance(error, ResponseError):
        word = str(error).partition(" ")[0]
        return _WORDS.get(word, f"Redis: refuses writes ({word[:40]})")
    return f"IMGEN_REDIS_URL: Redis does not answer ({type(error).__name__})"
