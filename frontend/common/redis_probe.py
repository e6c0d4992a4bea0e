"""Whether Redis takes writes, and which setting to look at where it does not."""

from redis.asyncio import Redis
from redis.asyncio.sentinel import MasterNotFoundError
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from contract.redis_keys import PREFIX, READY
from frontend.common.errors import SettingError
from frontend.common.probe import NotReady

READY_S = 60
# The first row that fits counts.
_FAULTS: tuple[tuple[type[RedisError], str], ...] = (
    (ReadOnlyError, "IMGEN_REDIS_URL: that Redis is a read-only replica; name the one that it follows"),
    (OutOfMemoryError, "Redis: all of its maxmemory is in use (IMGEN_REDIS_MAX_MB of `imgen up`)"),
    (AuthenticationError, "IMGEN_REDIS_URL: wrong user or password, or none"),
    (NoPermissionError, f"IMGEN_REDIS_URL: its user may not write {PREFIX}* keys (ACL)"),
    (MasterNotFoundError, "IMGEN_REDIS_URL: no sentinel tells of a master of that name"),
    (BusyLoadingError, "Redis: is still reading its data from disk"),
)
# Of errors that the client library has no class for, by their first word.
_WORDS = {
    "MISCONF": "Redis: cannot write to its disk; look at its log and for free space",
    "NOREPLICAS": "Redis: has fewer replicas than its min-replicas-to-write",
    "NOAUTH": "IMGEN_REDIS_URL: wrong user or password, or none",
}


async def refuse_cluster(redis: "Redis") -> None:
    """Raises SettingError for a Redis Cluster: a script changes keys of a job, its owner, the queue and the
    cache at once, and a cluster would keep them in several places."""
    if (await redis.info("server")).get("redis_mode") == "cluster":
        raise SettingError(
            "IMGEN_REDIS_URL: that is a Redis Cluster, which imgen cannot use; "
            "name one Redis, or the sentinels of one"
        )


async def check_redis(redis: "Redis") -> None:
    """`redis`: as connect_to_probe makes it. Raises NotReady unless it takes a write."""
    try:
        await redis.set(READY, "", ex=READY_S)
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
