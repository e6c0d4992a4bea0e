"""The stream that every server's index follows: what is in the cache, in the order in which it came to be.

Trimmed to some length. An entry's fields are one of:

record, picture, verdict, vector, encoder    a picture, by jobs/lua/judge.lua
gone                                         gen_id of a picture that has left
ruleset, version                             this ruleset is of this version from now on
clear                                        nothing before this counts
"""

import secrets
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from redis.asyncio import Redis

from contract.redis_keys import CACHE, CACHE_EPOCH, RULESETS
from frontend.common.coalescer import Coalescer
from frontend.common.redis_stream import Entry, Fields, StreamFollower, StreamId
from frontend.domain.cache_entry import CachedPicture, CacheOffer
from frontend.domain.stored_records import decode_job, decode_picture, decode_verdict

BATCH = 256  # entries of one answer: 1 MB
SPARE = 1.25  # the log holds more entries than the cache may have, since it holds removals too

_TRIM = """
local oldest = redis.call('TIME')[1] * 1000 - ARGV[1]
return redis.call('XTRIM', KEYS[1], 'MINID', '=', string.format('%d', math.max(oldest, 0)))
"""
Vector = npt.NDArray[np.float32]


class UnreadableEntry(ValueError):
    """An entry of another version, or damaged: passed over."""


@dataclass(frozen=True)
class Turn:
    """One reading of the log."""

    epoch: str
    ends: tuple[StreamId, StreamId] | None  # ids of the oldest and the newest entry; None: it is empty
    entries: list[Entry]


class Log:
    def __init__(self, redis: "Redis", capacity: int) -> None:
        self._redis = redis
        self._stream = StreamFollower(redis, CACHE, BATCH)
        self._length = int(capacity * SPARE)
        self._trim = redis.register_script(_TRIM)
        self._reads: Coalescer[str, Any] = Coalescer(self._read_entries)

    def offer(self, vector: Vector, encoder: str) -> CacheOffer:
        return CacheOffer(vector.astype("<f2").tobytes(), encoder, self._length)

    async def read(self, after: StreamId) -> Turn:
        """Entries after that id, after a second at most. Raises RedisError."""
        entries = await self._stream.read(after)
        # Asked after the entries: what was trimmed away before they were read shows in the first one's id.
        await self._redis.set(CACHE_EPOCH, secrets.token_hex(8), nx=True)
        epoch: Any = await self._redis.get(CACHE_EPOCH)
        return Turn(epoch.decode(), await self._stream.ends(), entries)

    async def trim(self, life_ms: int) -> None:
        """Takes out what is older, by Redis' clock: prompts are kept no longer than they are of use."""
        await self._trim(keys=[CACHE], args=[life_ms])

    async def picture(self, entry: str) -> CachedPicture | None:
        """The whole record; None where the log does not hold it any more. Raises RedisError,
        UnreadableEntry."""
        found = await self._reads.get(entry)
        return cached_picture(found[0][1]) if found else None

    async def _read_entries(self, entries: list[str]) -> list[Any]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for entry in entries:
                pipe.xrange(CACHE, entry, entry)
            return await pipe.execute()

    async def rulesets(self) -> dict[str, str]:
        found: Any = await self._redis.hgetall(RULESETS)
        return {name.decode(): version.decode() for name, version in found.items()}

    async def gone(self, gen_id: str) -> None:
        await self._redis.xadd(CACHE, {"gone": gen_id})

    async def clear(self) -> None:
        await self._redis.xadd(CACHE, {"clear": "1"})

    async def forget(self, entry: str) -> None:
        """Deletes what the log says of one picture, its prompt too."""
        await self._redis.xdel(CACHE, entry)


def cached_picture(fields: Fields) -> CachedPicture:
    """Raises UnreadableEntry."""
    try:
        return CachedPicture(
            job=decode_job(fields[b"record"]),
            picture=decode_picture(fields[b"picture"]),
            verdict=decode_verdict(fields[b"verdict"]),
        )
    except (KeyError, msgspec.MsgspecError) as error:
        raise UnreadableEntry(str(error)) from None


def vector(fields: Fields, dimension: int) -> Vector:
    """float32 [dimension], of length 1. Raises UnreadableEntry."""
    found = np.frombuffer(fields.get(b"vector", b""), "<f2").astype(np.float32)
    length = float(np.linalg.norm(found))
    if len(found) != dimension or not np.isfinite(length) or not 0.9 < length < 1.1:
        raise UnreadableEntry("no vector of this encoder")
    return found / np.float32(length)
