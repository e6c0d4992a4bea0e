"""The stream of all pictures that were made, and this process's index of it.

imgen:pictures      stream: one RegisteredPicture per entry, written by jobs/lua/made.lua, never trimmed; or
                    `gone`, the gen_id of a picture that was taken down: its own entry is deleted
"""

import asyncio
import contextlib
import logging
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from frontend.domain.registered_picture import RegisteredPicture
from frontend.registry.index import Columns, Index

log = logging.getLogger(__name__)
PICTURES = "imgen:pictures"
FIELD, GONE = b"picture", b"gone"
BATCH = 500  # entries of one answer: a few ms of the event loop
WAIT_MS = 1_000
PAUSE_S = 1.0
BEHIND_S = 5.0  # how long a question waits for the index to catch up
START = (0, 0)

_decode = msgspec.json.Decoder(RegisteredPicture).decode


class Behind(Exception):
    """The index does not hold all pictures yet, or Redis does not answer: "not found" could be untrue."""


class Registry:
    def __init__(self, redis: "Redis", behind_s: float = BEHIND_S) -> None:
        self._redis = redis
        self._behind_s = behind_s
        self._index = Index()
        self._last = START  # the newest entry that was read
        self._moved = asyncio.Event()

    async def follow(self) -> None:
        """Reads the stream from its beginning and then as it grows, until cancelled. No failure ends it."""
        while True:
            try:
                await self._turn()
            except Exception as error:
                log.error("registry: %s", error, exc_info=not isinstance(error, RedisError))
                await asyncio.sleep(PAUSE_S)

    async def _turn(self) -> None:
        index, last = self._index, self._last
        found: Any = await self._redis.xread({PICTURES: _text(last)}, count=BATCH, block=WAIT_MS)
        if not found or index is not self._index:
            return
        entries = found[0][1]
        await asyncio.to_thread(_add, index, entries)
        if index is self._index:
            self._last = _parsed(entries[-1][0])
            self._moved.set()

    async def columns(self) -> Columns:
        """Of every picture that was registered before this call. Raises Behind."""
        before = self._last
        try:
            async with asyncio.timeout(self._behind_s):
                newest = await self._newest()
                if newest < before:  # Redis was put back to an earlier state
                    log.warning("registry: reads the stream again, it has become shorter")
                    self._index, self._last = Index(), START
                while self._last < newest:
                    self._moved.clear()
                    await self._moved.wait()
        except (TimeoutError, RedisError) as error:
            raise Behind from error
        return self._index.columns

    async def _newest(self) -> tuple[int, int]:
        found: Any = await self._redis.xrevrange(PICTURES, count=1)
        return _parsed(found[0][0]) if found else START

    async def by_name(self, gen_id: str) -> tuple[str, RegisteredPicture] | None:
        """The entry's id and the picture, newest first, without the index: for those that ask once."""
        before = "+"
        while True:
            found: Any = await self._redis.xrevrange(PICTURES, before, count=BATCH)
            for entry, fields in found:
                with contextlib.suppress(KeyError, msgspec.MsgspecError):
                    picture = _decode(fields[FIELD])
                    if picture.gen_id == gen_id:
                        return entry.decode(), picture
            if len(found) < BATCH:
                return None
            before = f"({found[-1][0].decode()}"

    async def picture(self, entry: str) -> RegisteredPicture:
        """Raises Behind where the stream does not hold it any more."""
        try:
            found: Any = await self._redis.xrange(PICTURES, entry, entry)
            return _decode(found[0][1][FIELD])
        except (RedisError, LookupError, msgspec.MsgspecError) as error:
            raise Behind from error


def _add(index: Index, entries: list[tuple[bytes, dict[bytes, bytes]]]) -> None:
    """One that cannot be read is passed over: it must not hide those after it."""
    good = []
    for entry, fields in entries:
        if GONE in fields:
            continue
        try:
            good.append((entry.decode(), _decode(fields[FIELD])))
        except (KeyError, msgspec.MsgspecError) as error:
            log.error("registry: entry %s cannot be read: %s", entry.decode(), error)
    _add_good(index, good)
    for _, fields in entries:  # a picture stands before its end
        if GONE in fields:
            index.forget(fields[GONE].decode(errors="replace"))


def _add_good(index: Index, good: list[tuple[str, RegisteredPicture]]) -> None:
    try:
        index.add(good)
    except ValueError:
        for one in good:
            try:
                index.add([one])
            except ValueError as error:
                log.error("registry: entry %s cannot be read: %s", one[0], error)


def _parsed(entry: bytes) -> tuple[int, int]:
    milliseconds, _, number = entry.partition(b"-")
    return int(milliseconds), int(number)


def _text(entry: tuple[int, int]) -> str:
    return f"{entry[0]}-{entry[1]}"
