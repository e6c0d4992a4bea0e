"""Jobs in Redis, under the names of contract/redis_keys.py. Every change of state is one script, so it
happens whole or not at all."""

import logging
import math
import secrets
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.commands.core import AsyncScript

from contract.redis_keys import QUEUE, WORKERS, lua_locals
from frontend.common.coalescer import Coalescer
from frontend.common.errors import ApiError
from frontend.domain.cache_entry import CachedPicture, CacheOffer
from frontend.domain.job import Job
from frontend.domain.job_state import JobState, StoredState
from frontend.domain.picture import StoredPicture
from frontend.domain.registered_picture import register
from frontend.domain.stored_records import decode_job
from frontend.domain.verdict import Verdict
from frontend.jobs.claim import Claim
from frontend.jobs.idempotency_key import IdempotencyKey
from frontend.jobs.settings import JobSettings
from frontend.jobs.stored_state import job_state

log = logging.getLogger(__name__)
MAX_WATERMARK_BYTES = 256 << 20  # bytes of Redis' memory; more watermarks are answered like a full queue
IDEMPOTENCY_S = 86_400  # the life of an idempotency key
# Starts of one job, whoever was to blame for their ends; at a second or more each.
MAX_STARTS = 100
# A consumer that is silent for so many leases, and holds nothing, belongs to a process that was killed.
SILENT_LEASES = 4
FAILED = "Generation failed"
TAKEN_DOWN = "Picture was taken down"
CACHED_KEEP_S = 3_600  # the published life of a job that the cache answered
LUA = Path(__file__).with_name("lua")
_SHARED = lua_locals() + (LUA / "_shared.lua").read_text()
_ACCEPTED = (LUA / "_accepted.lua").read_text()
# What Redis may refuse at maxmemory: scripts that store a new job, and one that writes nothing.
_REFUSABLE = {"accept", "serve", "read"}


def _raw(answer: Any) -> Any:
    """An answer as this connection gives it: bytes, in the protocol's older shapes."""
    return answer


def max_stored_jobs(settings: JobSettings) -> int:
    """Of one key. By default what the queue lets through while a job is kept: a full one each deadline."""
    full_queues = settings.job_keep_s / settings.job_deadline_s
    return settings.key_stored_jobs or settings.key_jobs_limit + math.ceil(settings.queue_limit * full_queues)


def _over_quota(wait_ms: int) -> ApiError:
    later = {"Retry-After": str(math.ceil(wait_ms / 1000))}
    return ApiError(429, "Too many stored jobs for this key", later)


class JobStore:
    def __init__(
        self, redis: "Redis", settings: JobSettings, *, max_watermark_bytes: int = MAX_WATERMARK_BYTES
    ) -> None:
        self._redis = redis
        self._settings = settings
        self._max_watermark_bytes = max_watermark_bytes
        self._max_stored_jobs = max_stored_jobs(settings)
        self._lease_ms = int(settings.job_lease_s * 1000)
        self._scripts: dict[str, AsyncScript] = {
            path.stem: redis.register_script(
                _SHARED + ("" if path.stem in _REFUSABLE else _ACCEPTED) + path.read_text()
            )
            for path in LUA.glob("[!_]*.lua")
        }
        self._reads: Coalescer[str, list[Any]] = Coalescer(self._read_many)

    async def prepare(self) -> None:
        """Makes the stream and its group where they do not exist yet."""
        await self._run("prepare")

    async def _run(self, script: str, *arguments: str | bytes | float) -> Any:
        return await self._scripts[script](args=arguments)

    # What the actions call

    async def accept(self, job: Job, watermark: bytes, repeat: IdempotencyKey | None) -> str:
        """The id of the accepted job: this one, or the first one with the same idempotency key."""
        settings = self._settings
        outcome, known = await self._run(
            "accept",
            job.id,
            job.owner,
            msgspec.json.encode(job),
            watermark,
            settings.job_deadline_s * 1000,
            # A repeated idempotency key is answered from the job, for as long as the key lives.
            max(settings.job_keep_s, IDEMPOTENCY_S) if repeat else settings.job_keep_s,
            settings.queue_limit,
            settings.key_jobs_limit,
            self._max_watermark_bytes,
            repeat.redis_key if repeat else "",
            repeat.body if repeat else "",
            IDEMPOTENCY_S,
            self._max_stored_jobs,
        )
        match outcome:
            case b"full":
                raise ApiError(503, "Queue is full", {"Retry-After": "5"})
            case b"busy":
                raise ApiError(429, "Too many unfinished jobs for this key", {"Retry-After": "5"})
            case b"stored":
                raise _over_quota(known)
            case b"conflict":
                raise ApiError(409, "Idempotency key was used for another request")
        return str(known, "ascii")

    async def accepted_before(self, repeat: IdempotencyKey) -> str | None:
        """The id that this idempotency key stands for. Raises ApiError when the body was another one."""
        known, body = _raw(await self._redis.hmget(repeat.redis_key, "id", "body"))
        if known is None:
            return None
        if body != repeat.body.encode():
            raise ApiError(409, "Idempotency key was used for another request")
        return str(known, "ascii")

    async def read(self, job_id: str, owner: str) -> JobState | None:
        """The job as it stands; None when there is none of this owner."""
        record, owned_by, *rest = await self._reads.get(job_id)
        if record is None or owned_by != owner.encode():
            return None
        return job_state(decode_job(record), *rest)

    async def _read_many(self, ids: list[str]) -> list[list[Any]]:
        rows: list[list[Any]] = await self._run("read", *ids)
        return rows

    async def cancel(self, job_id: str, owner: str) -> StoredState | None:
        """The state in which it was found; None when there is no such job of this owner."""
        state = await self._run("cancel", job_id, owner, secrets.token_hex(8))
        return StoredState(state.decode()) if state else None

    async def judge(self, job_id: str, verdict: Verdict, offer: CacheOffer | None = None) -> bool:
        """Whether this is the job's verdict now. False: another came first, or it judged other bytes.

        `offer`: with the verdict, and only with it, the picture enters the cache.
        """
        told = (offer.vector, offer.encoder, offer.length) if offer else (b"", "", 0)
        return bool(await self._run("judge", job_id, verdict.sha256, msgspec.json.encode(verdict), *told))

    async def serve(self, job: Job, cached: CachedPicture, repeat: IdempotencyKey | None) -> str | None:
        """A finished job that hands out a picture of the cache, for an hour: its id, or that of the first one
        with the same idempotency key. None: that picture was taken down."""
        outcome, known = await self._run(
            "serve",
            job.id,
            job.owner,
            msgspec.json.encode(job),
            msgspec.json.encode(cached.picture),
            msgspec.json.encode(cached.verdict),
            job.gen_id,
            CACHED_KEEP_S,
            repeat.redis_key if repeat else "",
            repeat.body if repeat else "",
            self._max_stored_jobs,
        )
        if outcome == b"stored":
            raise _over_quota(known)
        if outcome == b"conflict":
            raise ApiError(409, "Idempotency key was used for another request")
        return None if outcome == b"taken" else str(known, "ascii")

    async def take_down(self, gen_id: str, job_id: str, register: str, files: Sequence[str]) -> int:
        """From now on no server hands this picture out. `register`: its entry in the registry's stream.

        How many jobs showed it; they are FAILED now.
        """
        kept = msgspec.json.encode(files)
        return int(await self._run("takedown", gen_id, job_id, register, kept, TAKEN_DOWN))

    async def fail_unjudged(self, job_id: str) -> None:
        """Fails a job that no verdict came for before its deadline."""
        await self._run("unjudged", job_id)

    # What the worker calls

    async def next(self, consumer: str, wait_ms: int) -> Claim | None:
        """A job whose worker went silent, else the next waiting one, else None after `wait_ms`."""
        async for entry, fields in self._claim_abandoned(consumer):
            if claim := await self._take(entry, fields, consumer):
                return claim
        found = _raw(await self._redis.xreadgroup(WORKERS, consumer, {QUEUE: ">"}, count=1, block=wait_ms))
        if not found:
            return None
        ((entry, fields),) = found[0][1]
        return await self._take(entry, fields, consumer)

    async def _claim_abandoned(self, consumer: str) -> AsyncIterator[tuple[bytes, dict[bytes, bytes]]]:
        """Entries past their lease, one at a time. One call of Redis looks at ten entries only."""
        cursor = b"0-0"
        while True:
            cursor, entries, *_ = _raw(
                await self._redis.xautoclaim(QUEUE, WORKERS, consumer, self._lease_ms, cursor, count=1)
            )
            for entry, fields in entries:
                if entry is not None:  # Redis 6 says so where the entry was deleted while it was pending
                    yield entry, fields
            if cursor == b"0-0":
                return

    async def _take(self, entry: bytes, fields: dict[bytes, bytes], consumer: str) -> Claim | None:
        job_id, token = fields.get(b"id", b""), secrets.token_hex(8)
        attempts = self._settings.job_attempts
        taken = await self._run("take", job_id, entry, token, attempts, MAX_STARTS)
        if taken is None:
            return None
        attempt, record, watermark, queue_ms = taken
        try:
            return Claim(decode_job(record), attempt, watermark, float(queue_ms), consumer)
        except msgspec.MsgspecError as error:  # it would come back to one frontend after the other
            log.error("job %s cannot be read: %s", job_id.decode(errors="replace"), error)
            await self._run("fail", job_id, attempt, FAILED)
            return None

    async def beat(self, claim: Claim, progress: float | None = None) -> bool:
        """Renews the lease. False: the job was cancelled, timed out or went to another worker."""
        shown = "" if progress is None else f"{progress:.3f}"
        return bool(await self._run("beat", claim.job.id, claim.attempt, claim.consumer, shown))

    async def made(self, claim: Claim, picture: StoredPicture) -> bool:
        """Whether this attempt's picture is the job's; False: its files are to be deleted."""
        encoded = msgspec.json.encode(picture)
        entry = msgspec.json.encode(register(claim.job, picture))
        return bool(await self._run("made", claim.job.id, claim.attempt, encoded, picture.sha256, entry))

    async def fail(self, claim: Claim) -> None:
        """The end of a job that no further start would help."""
        await self._run("fail", claim.job.id, claim.attempt, FAILED)

    async def release(self, claim: Claim, *, charge: bool) -> None:
        """Back into the queue; uncharged when the job had no part in what went wrong."""
        await self._run("release", claim.job.id, claim.attempt, int(charge))

    async def sweep(self) -> None:
        """Times out what passed its deadline while nobody polled or worked on it; forgets dead consumers."""
        await self._run("sweep", SILENT_LEASES * self._lease_ms)

    async def forget(self, consumer: str) -> None:
        """Removes a consumer that holds nothing; one that still does is left for its leases to end."""
        await self._run("forget", consumer)
