"""This process's copy of the cache: the index, kept in line with the log that all servers share."""

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from frontend.cache import candidate as candidates
from frontend.cache import log as logs
from frontend.cache.candidate import Candidate
from frontend.cache.index import snapshot
from frontend.cache.index.index import CacheIndex
from frontend.cache.index.item import Item
from frontend.cache.index.limits import Limits
from frontend.cache.log import Log, Turn, UnreadableEntry
from frontend.cache.settings import CacheSettings
from frontend.common.redis_stream import START, Entry, Fields, StreamId
from frontend.common.supervised import SupervisedLoop

log = logging.getLogger(__name__)
PAUSE_S = 1.0
UPKEEP_S = 60.0


class EncodesPrompts(Protocol):
    async def identity(self) -> str:
        """Names the encoder and its weights: vectors of two encoders have nothing to do with each other."""

    async def encode(self, text: str) -> npt.NDArray[np.float32]:
        """float32 [dimension], of length 1."""


class Saved(msgspec.Struct, kw_only=True):
    """What a snapshot tells beside its entries."""

    encoder: str
    dimension: int
    shared: bool
    epoch: str = ""  # of the log; "" before it was first read
    position: str = str(START)  # the newest entry that is in
    weights: dict[str, str] = {}  # a candidate's home → digest of those that drew its newest picture


@dataclass
class Copy:
    """An index and how far it has come; replaced whole where the log turns out to be another one."""

    index: CacheIndex
    saved: Saved
    rulesets: dict[str, str] = field(default_factory=dict)


class Replica:
    def __init__(self, source: Log, encoder: EncodesPrompts, settings: CacheSettings) -> None:
        self._source = source
        self._encoder = encoder
        self._folder: Path = settings.data_dir / "cache"
        self._shared = settings.cache_shared
        self._life_ms = settings.cache_ttl_s * 1000
        self._snapshot_s = settings.cache_snapshot_s
        self._limits = Limits(
            capacity=settings.cache_capacity, partition_capacity=settings.cache_partition_capacity
        )
        self._copy: Copy | None = None
        self._written = ""  # position of the newest snapshot

    @property
    def copy(self) -> Copy | None:
        """None until the encoder has answered once."""
        return self._copy

    def refusal(self, made: Candidate) -> str | None:
        """Why this picture does not stand any more, whatever is asked."""
        copy = self._copy
        age_ms = time.time() * 1000 - StreamId.parse(made.entry).milliseconds
        # A clock that has jumped makes misses. Younger than nothing: by a minute, clocks may differ.
        if copy is None or not -60_000 < age_ms < self._life_ms:
            return "expired"
        if copy.rulesets.get(made.ruleset, made.ruleset_version) != made.ruleset_version:
            return "ruleset"
        if copy.saved.weights.get(made.home, made.weights) != made.weights:
            return "weights"
        return None

    async def follow(self) -> None:
        """Until cancelled."""
        await SupervisedLoop("cache: the log is not followed", self._turn, log).run()

    async def upkeep(self) -> None:
        """Until cancelled: takes out what is too old, and makes anew what has lost too much."""
        await SupervisedLoop("cache: no upkeep", self._keep_up, log).run()

    async def snapshots(self) -> None:
        """Until cancelled: writes one where something has changed."""
        await SupervisedLoop("cache: no snapshot can be written", self._snapshot, log, pause_s=0).run()

    async def _turn(self) -> None:
        copy = self._copy or await self._open()
        turn = await self._source.read(StreamId.parse(copy.saved.position))
        if has_gap(copy.saved, turn):
            log.warning("cache: log gap, rebuilding index")
            copy = self._copy = await self._empty(copy.saved)
        copy.saved.epoch = turn.epoch
        position = StreamId.parse(copy.saved.position)
        if entries := [entry for entry in turn.entries if entry[0] > position]:
            await self._apply(copy, entries)
            copy.saved.position = str(entries[-1][0])

    async def _keep_up(self) -> None:
        if copy := self._copy:
            await asyncio.to_thread(copy.index.expire, int(time.time() * 1000 - self._life_ms))
            await asyncio.to_thread(copy.index.maintain)
        await self._source.trim(self._life_ms)
        await asyncio.sleep(UPKEEP_S if copy else PAUSE_S)

    async def _snapshot(self) -> None:
        await asyncio.sleep(self._snapshot_s)
        copy = self._copy
        if copy is None or copy.saved.position in (self._written, str(START)):
            return
        # Taken before the index is read: what comes in between is added twice, which is no harm.
        state = msgspec.json.encode(copy.saved)
        position = copy.saved.position
        if await asyncio.to_thread(snapshot.write, self._folder, copy.index, state):
            self._written = position

    async def _open(self) -> Copy:
        """From the newest snapshot, if that is of this encoder."""
        dimension = len(await self._encoder.encode(""))
        fresh = Saved(encoder=await self._encoder.identity(), dimension=dimension, shared=self._shared)
        found = await asyncio.to_thread(snapshot.read, self._folder, dimension, self._limits)
        self._copy = await self._empty(fresh)
        if found is not None and (saved := usable(found.state, fresh)):
            self._copy = Copy(found.index, saved, self._copy.rulesets)
            rulesets = self._copy.rulesets
            await asyncio.to_thread(found.index.remove_where, lambda payload: is_outdated(payload, rulesets))
        return self._copy

    async def _empty(self, like: Saved) -> Copy:
        saved = Saved(encoder=like.encoder, dimension=like.dimension, shared=like.shared)
        return Copy(CacheIndex(like.dimension, self._limits), saved, await self._source.rulesets())

    async def _apply(self, copy: Copy, entries: list[Entry]) -> None:
        """In the log's order. Pictures that come one after the other go in together."""
        items: list[Item] = []
        for entry, fields in entries:
            if b"record" in fields:
                items += self._item(copy, entry, fields)
                continue
            await asyncio.to_thread(copy.index.add, items)
            items = []
            await self._change(copy, fields)
        await asyncio.to_thread(copy.index.add, items)

    def _item(self, copy: Copy, entry: StreamId, fields: Fields) -> Iterable[Item]:
        if fields.get(b"encoder") != copy.saved.encoder.encode():
            return
        try:
            cached = logs.cached_picture(fields)
            vector = logs.vector(fields, copy.saved.dimension)
        except UnreadableEntry as error:
            log.warning("cache: entry %s is passed over: %s", entry, error)
            return
        made = candidates.candidate(str(entry), cached)
        if made is None:
            return
        copy.saved.weights[made.home] = made.weights
        yield Item(
            name=cached.job.gen_id,
            partition=candidates.partition(
                cached.job, shared=self._shared and not cached.picture.tells_prompt
            ),
            time_ms=entry.milliseconds,
            vector=vector,
            payload=candidates.encode(made),
        )

    async def _change(self, copy: Copy, fields: Fields) -> None:
        if gone := fields.get(b"gone", b"").decode():
            payload = copy.index.payload(gone)
            await asyncio.to_thread(copy.index.remove, [gone])
            if payload is not None:
                await self._source.forget(candidates.decode(payload).entry)
        elif ruleset := fields.get(b"ruleset", b"").decode():
            copy.rulesets[ruleset] = fields.get(b"version", b"").decode()
            rulesets = dict(copy.rulesets)
            await asyncio.to_thread(copy.index.remove_where, lambda payload: is_outdated(payload, rulesets))
        elif b"clear" in fields:
            copy.index = CacheIndex(copy.saved.dimension, self._limits)


def is_outdated(payload: bytes, rulesets: dict[str, str]) -> bool:
    made = candidates.decode(payload)
    return rulesets.get(made.ruleset, made.ruleset_version) != made.ruleset_version


def usable(state: bytes, fresh: Saved) -> Saved | None:
    """What a snapshot tells of itself, if its entries are of the kind that `fresh` says."""
    try:
        saved = msgspec.json.decode(state, type=Saved)
    except msgspec.MsgspecError:
        return None
    kind = (saved.encoder, saved.dimension, saved.shared)
    return saved if kind == (fresh.encoder, fresh.dimension, fresh.shared) else None


def has_gap(saved: Saved, turn: Turn) -> bool:
    """Whether removals may have been missed: the log was lost, was put back to an earlier state, or is so
    busy that what comes next was trimmed away before it was read."""
    position = StreamId.parse(saved.position)
    if position == START:
        return False
    if turn.epoch != saved.epoch or turn.ends is None:
        return True
    first, last = turn.ends
    return first > position or last < position
