"""The stream that every server's index follows: what is in the cache, in the order in which it came to be.

imgen:cache         stream, trimmed to some length:
                      record, picture, verdict, vector, encoder    a picture, by jobs/lua/judge.lua
                      gone                                         gen_id of a picture that has left
                      ruleset, version                             this ruleset is of this version from now on
                      clear                                        nothing before this counts
imgen:cache:epoch   a random name of this log: another one means that Redis lost it, or is another Redis
imgen:rulesets      hash: ruleset → the version that stands
imgen:taken         hash: gen_id of a picture that was taken down → its files
"""

import secrets
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from redis.asyncio import Redis

from frontend.cache.candidate import CachedPicture
from frontend.domain.job import Job, StoredPicture
from frontend.review.reviewer import Verdict

LOG, EPOCH, RULESETS = "imgen:cache", "imgen:cache:epoch", "imgen:rulesets"
BATCH = 256  # entries of one answer: 1 MB
WAIT_MS = 1_000
START = "0-0"
SPARE = 1.25  # the log holds more entries than the cache may have, since it holds removals too

_decode_job = msgspec.json.Decoder(Job).decode
_decode_picture = msgspec.json.Decoder(StoredPicture).decode
_decode_verdict = msgspec.json.Decoder(Verdict).decode
_TRIM = """
local oldest = redis.call('TIME')[1] * 1000 - ARGV[1]
return redis.call('XTRIM', KEYS[1], 'MINID', '=', string.format('%d', math.max(oldest, 0)))
"""
Vector = npt.NDArray[np.float32]
Fields = dict[bytes, bytes]


class Unreadable(ValueError):
    """An entry of another version, or damaged: passed over."""


@dataclass(frozen=True)
class Offer:
    """What a verdict's script writes to the log beside what the job holds already."""

    vector: bytes  # float16, little-endian: half the memory, and the similarity is right to four digits
    encoder: str
    length: int  # that the log is trimmed to


@dataclass(frozen=True)
class Turn:
    """One reading of the log."""

    epoch: str
    first: str | None  # id of the oldest entry; None: it is empty
    last: str | None
    entries: list[tuple[str, Fields]]


class Log:
    def __init__(self, redis: "Redis", capacity: int) -> None:
        self._redis = redis
        self._length = int(capacity * SPARE)
        self._trim = redis.register_script(_TRIM)

    def offer(self, vector: Vector, encoder: str) -> Offer:
        return Offer(vector.astype("<f2").tobytes(), encoder, self._length)

    async def read(self, after: str) -> Turn:
        """Entries after that id, after a second at most. Raises RedisError."""
        found: Any = await self._redis.xread({LOG: after}, count=BATCH, block=WAIT_MS)
        # Asked after the entries: what was trimmed away before they were read shows in the first one's id.
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.set(EPOCH, secrets.token_hex(8), nx=True)
            pipe.get(EPOCH)
            pipe.xrange(LOG, count=1)
            pipe.xrevrange(LOG, count=1)
            _, epoch, first, last = await pipe.execute()
        entries = [(entry.decode(), fields) for entry, fields in found[0][1]] if found else []
        return Turn(epoch.decode(), _entry(first), _entry(last), entries)

    async def trim(self, life_ms: int) -> None:
        """Takes out what is older, by Redis' clock: prompts are kept no longer than they are of use."""
        await self._trim(keys=[LOG], args=[life_ms])

    async def picture(self, entry: str) -> CachedPicture | None:
        """The whole record; None where the log does not hold it any more. Raises RedisError, Unreadable."""
        found: Any = await self._redis.xrange(LOG, entry, entry)
        return cached_picture(found[0][1]) if found else None

    async def rulesets(self) -> dict[str, str]:
        found: Any = await self._redis.hgetall(RULESETS)
        return {name.decode(): version.decode() for name, version in found.items()}

    async def gone(self, gen_id: str) -> None:
        await self._redis.xadd(LOG, {"gone": gen_id})

    async def clear(self) -> None:
        await self._redis.xadd(LOG, {"clear": "1"})

    async def forget(self, entry: str) -> None:
        """Deletes what the log says of one picture, its prompt too."""
        await self._redis.xdel(LOG, entry)


def cached_picture(fields: Fields) -> CachedPicture:
    """Raises Unreadable."""
    try:
        return CachedPicture(
            job=_decode_job(fields[b"record"]),
            picture=_decode_picture(fields[b"picture"]),
            verdict=_decode_verdict(fields[b"verdict"]),
        )
    except (KeyError, msgspec.MsgspecError) as error:
        raise Unreadable(str(error)) from None


def vector(fields: Fields, dimension: int) -> Vector:
    """float32 [dimension], of length 1. Raises Unreadable."""
    found = np.frombuffer(fields.get(b"vector", b""), "<f2").astype(np.float32)
    length = float(np.linalg.norm(found))
    if len(found) != dimension or not np.isfinite(length) or not 0.9 < length < 1.1:
        raise Unreadable("no vector of this encoder")
    return found / np.float32(length)


def milliseconds(entry: str) -> int:
    """When it was written, by Redis' clock."""
    return int(entry.partition("-")[0])


def _entry(found: Any) -> str | None:
    return found[0][0].decode() if found else None
