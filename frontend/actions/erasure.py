"""Removes what a customer's key left: prompts, jobs, pictures, cache entries, and whose pictures were.

What stays: that a picture was made here, without owner and job, so that `verify` goes on telling it; usage in
numbers; the audit log, which holds ids and hashes.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec
from redis.asyncio import Redis

from contract.redis_keys import (
    CACHE,
    HANDOVER_PREFIX,
    IDEMPOTENCY_PREFIX,
    JOB_PREFIX,
    LAST_TURNS,
    LINE_PREFIX,
    OPEN_PREFIX,
    PICTURES,
    RATE_PREFIX,
    STORED_PREFIX,
    WEBHOOK_PREFIX,
    WEBHOOK_SECRETS,
)
from frontend.audit.log import AuditLog
from frontend.jobs.store import JobStore
from frontend.keys.api_keys import Keys
from frontend.registry.registry import Registry
from frontend.storage import Storage

BATCH = 500


@dataclass(frozen=True, kw_only=True)
class Erasure:
    jobs: int
    pictures: int
    files: int
    cached: int  # entries of the cache's log, which hold prompts


class NotErased(Exception):
    """Something of the key is still there; the text says what."""


async def erase(redis: "Redis", jobs: JobStore, storage: Storage, key_id: str) -> Erasure:
    """May be stopped at any moment and asked again: it goes on where it was. The key is disabled first.

    Raises NotErased, RedisError, StorageError.
    """
    keys, audit, registry = Keys(redis), AuditLog(redis), Registry(redis)
    await keys.forget_name(key_id)
    ended = 0
    stored: Any = await redis.zrange(f"{STORED_PREFIX}{key_id}", 0, -1)
    for job in stored:
        ended += await jobs.erase_job(job.decode(), key_id)
    pictures = files = 0
    async for entry, picture in registry.all():
        if picture.owner == key_id:
            nobodys = msgspec.structs.replace(picture, owner="", job="")
            await storage.delete(picture.files)
            pictures += await jobs.erase_picture(entry, picture, nobodys)
            files += len(picture.files)
    cached = await _forget_cached(redis, key_id)
    await redis.hdel(WEBHOOK_SECRETS, key_id)
    await redis.zrem(LAST_TURNS, key_id)
    await redis.delete(f"{STORED_PREFIX}{key_id}", f"{OPEN_PREFIX}{key_id}")
    for prefix in (IDEMPOTENCY_PREFIX, RATE_PREFIX):
        async for name in redis.scan_iter(f"{prefix}{key_id}:*", count=BATCH):
            await redis.delete(name)
    erased = Erasure(jobs=ended, pictures=pictures, files=files, cached=cached)
    if left := [name async for name in _left(redis, key_id)]:
        raise NotErased(f"{', '.join(left[:5])}: still of this key; give the same command again")
    await audit.write("erase", {"key": key_id} | {name: str(count) for name, count in vars(erased).items()})
    return erased


async def _forget_cached(redis: "Redis", key_id: str) -> int:
    """Entries that hold the prompts of this key's jobs leave the cache's log; how many."""
    gone = 0
    async for entry, fields in _stream(redis, CACHE):
        if b"record" in fields and json.loads(fields[b"record"]).get("owner") == key_id:
            gone += int(await redis.xdel(CACHE, entry))
    return gone


async def _left(redis: "Redis", key_id: str) -> AsyncIterator[str]:
    """Names of what still belongs to the key: the proof is a look at everything."""
    owner = key_id.encode()
    for prefix in (JOB_PREFIX, WEBHOOK_PREFIX):
        async for name in redis.scan_iter(f"{prefix}*", count=BATCH, _type="hash"):
            if await redis.hget(name, "owner") == owner:
                yield name.decode()
    async for entry, fields in _stream(redis, PICTURES):
        if owner in fields.get(b"picture", b""):
            yield f"{PICTURES} {entry}"
    async for entry, fields in _stream(redis, CACHE):
        if b"record" in fields and json.loads(fields[b"record"]).get("owner") == key_id:
            yield f"{CACHE} {entry}"
    for prefix in (IDEMPOTENCY_PREFIX, STORED_PREFIX, OPEN_PREFIX, LINE_PREFIX, HANDOVER_PREFIX):
        async for name in redis.scan_iter(f"{prefix}{key_id}*", count=BATCH):
            yield name.decode()


async def _stream(redis: "Redis", name: str) -> AsyncIterator[tuple[str, dict[bytes, bytes]]]:
    start = "-"
    while True:
        found: Any = await redis.xrange(name, start, "+", count=BATCH)
        for entry, fields in found:
            yield entry.decode(), fields
        if len(found) < BATCH:
            return
        start = f"({found[-1][0].decode()}"
