"""The stream of all pictures that were made (written by jobs/lua/made.lua), and this process's index of it.

An entry is a RegisteredPicture, or `gone`, the gen_id of a picture that was taken down: its own entry is
deleted. Both in one: the picture stands here from now on, without whose it was.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from contract.redis_keys import PICTURES
from frontend.common.redis_stream import START, Entry, StreamFollower
from frontend.common.supervised import SupervisedLoop
from frontend.domain.registered_picture import RegisteredPicture
from frontend.registry.index import Columns, RegistryIndex

log = logging.getLogger(__name__)
FIELD, GONE = b"picture", b"gone"
BATCH = 500  # entries of one answer: a few ms of the event loop
BEHIND_S = 5.0  # how long a question waits for the index to catch up

_decode = msgspec.json.Decoder(RegisteredPicture).decode


class Behind(Exception):
    """The index does not hold all pictures yet, or Redis does not answer: "not found" could be untrue."""


class Registry:
    def __init__(self, redis: "Redis", behind_s: float = BEHIND_S) -> None:
        self._redis = redis
        self._stream = StreamFollower(redis, PICTURES, BATCH)
        self._behind_s = behind_s
        self._index = RegistryIndex()
        self._last = START  # the newest entry that is in the index
        self._shrunk = False  # the index holds what the stream does not
        self._moved = asyncio.Event()

    async def follow(self) -> None:
        """Reads the stream from its beginning and then as it grows, until cancelled."""
        await SupervisedLoop("registry: the stream is not followed", self._turn, log).run()

    async def _turn(self) -> None:
        if self._shrunk:
            log.warning("registry: log gap, rebuilding index")
            self._index, self._last, self._shrunk = RegistryIndex(), START, False
        if entries := await self._stream.read(self._last):
            await asyncio.to_thread(_add, self._index, entries)
            self._last = entries[-1][0]
            self._moved.set()

    async def columns(self) -> Columns:
        """Of every picture that was registered before this call. Raises Behind."""
        try:
            async with asyncio.timeout(self._behind_s):
                ends = await self._stream.ends()
                newest = ends[1] if ends else START
                self._shrunk = newest < self._last  # Redis was put back to an earlier state
                while self._shrunk or self._last < newest:
                    self._moved.clear()
                    await self._moved.wait()
        except (TimeoutError, RedisError) as error:
            raise Behind from error
        return self._index.columns

    async def by_name(self, gen_id: str) -> tuple[str, RegisteredPicture] | None:
        """The entry's id and the picture, newest first, without the index: for those that ask once."""
        before = "+"
        while True:
            found: Any = await self._redis.xrevrange(PICTURES, before, count=BATCH)
            for entry, fields in found:
                with contextlib.suppress(KeyError, msgspec.MsgspecError):
                    picture = _read(entry.decode(), fields)
                    if picture.gen_id == gen_id:
                        return entry.decode(), picture
            if len(found) < BATCH:
                return None
            before = f"({found[-1][0].decode()}"

    async def all(self) -> AsyncIterator[tuple[str, RegisteredPicture]]:
        """Every picture with its entry's id, oldest first, without the index. Raises RedisError."""
        start = "-"
        while True:
            found: Any = await self._redis.xrange(PICTURES, start, "+", count=BATCH)
            for entry, fields in found:
                with contextlib.suppress(KeyError, msgspec.MsgspecError):
                    yield entry.decode(), _read(entry.decode(), fields)
            if len(found) < BATCH:
                return
            start = f"({found[-1][0].decode()}"

    async def picture(self, entry: str) -> RegisteredPicture:
        """Raises Behind where the stream does not hold it any more."""
        try:
            found: Any = await self._redis.xrange(PICTURES, entry, entry)
            return _read(entry, found[0][1])
        except (RedisError, LookupError, msgspec.MsgspecError) as error:
            raise Behind from error


def _read(entry: str, fields: Mapping[bytes, bytes]) -> RegisteredPicture:
    """One whose grid is damaged counts as one without. Raises KeyError and MsgspecError."""
    try:
        picture = _decode(fields[FIELD])
        if picture.luma_grid is None or picture.luma_grid.is_whole:
            return picture
    except msgspec.ValidationError as error:
        if "luma_grid" not in str(error):
            raise
    log.error("registry: entry %s: its luma_grid is damaged", entry)
    return msgspec.convert(msgspec.json.decode(fields[FIELD]) | {"luma_grid": None}, RegisteredPicture)


def _add(index: RegistryIndex, entries: list[Entry]) -> None:
    """One that cannot be read is passed over: it must not hide those after it."""
    good: list[tuple[str, RegisteredPicture]] = []
    for entry, fields in entries:
        if GONE in fields:  # a picture stands before its end
            _add_good(index, good)
            good = []
            index.forget(fields[GONE].decode(errors="replace"))
            if FIELD not in fields:
                continue
        try:
            good.append((str(entry), _read(str(entry), fields)))
        except (KeyError, msgspec.MsgspecError) as error:
            log.error("registry: entry %s cannot be read: %s", entry, error)
    _add_good(index, good)


def _add_good(index: RegistryIndex, good: list[tuple[str, RegisteredPicture]]) -> None:
    try:
        index.add(good)
    except ValueError:
        for one in good:
            try:
                index.add([one])
            except ValueError as error:
                log.error("registry: entry %s cannot be read: %s", one[0], error)
