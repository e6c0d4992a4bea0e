"""Takes one picture out of service: its files, the cache, the registry, and the jobs that show it."""

from dataclasses import dataclass

import msgspec
from redis.asyncio import Redis

from contract.redis_keys import TAKEN_DOWN
from frontend.jobs.store import JobStore
from frontend.registry.registry import Registry
from frontend.storage import Storage

_decode_files = msgspec.json.Decoder(tuple[str, ...]).decode


class NotRegistered(Exception):
    """No picture with this gen_id was made here, or its registry is lost."""


@dataclass(frozen=True, kw_only=True)
class Takedown:
    jobs: int  # that showed it, and are FAILED now
    files: int
    before: bool  # it had been taken down already


async def take_down(redis: "Redis", jobs: JobStore, storage: Storage, gen_id: str) -> Takedown:
    """First nobody is handed the picture any more, on any server; then its files go. May be stopped at any
    moment and asked again: it goes on where it was.

    Raises NotRegistered, RedisError, StorageError.
    """
    known = await Registry(redis).by_name(gen_id)
    ended = 0
    if known is not None:
        entry, picture = known
        ended = await jobs.take_down(gen_id, picture.job, entry, picture.files)
    found = await redis.hget(TAKEN_DOWN, gen_id)
    if found is None:
        raise NotRegistered(gen_id)
    files = _decode_files(found)
    await storage.delete(files)
    return Takedown(jobs=ended, files=len(files), before=known is None)
