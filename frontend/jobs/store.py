"""Jobs in Redis, under the names of contract/redis_keys.py. Every change of state is one script, so it
happens whole or not at all."""

import asyncio
import logging
import math
import secrets
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from contract.redis_keys import JOB_PREFIX, OPEN, QUEUE, READY, WAKE, WORKERS
from frontend.common.coalescer import Coalescer
from frontend.common.errors import ApiError
from frontend.common.redis_probe import READY_S
from frontend.common.replicas import Replicas
from frontend.domain.cache_entry import CachedPicture, CacheOffer
from frontend.domain.job import RECORD_VERSION, Job
from frontend.domain.job_state import JobState, StoredState
from frontend.domain.picture import StoredPicture
from frontend.domain.quota import Quota
from frontend.domain.registered_picture import RegisteredPicture, register
from frontend.domain.stored_records import decode_job
from frontend.domain.verdict import Verdict
from frontend.domain.webhook import Webhook
from frontend.jobs.budget import budgets, over_budget
from frontend.jobs.claim import Claim
from frontend.jobs.idempotency_key import IdempotencyKey
from frontend.jobs.outcomes import ENDED, count_accepted
from frontend.jobs.queue_share import ORDINARY, QueueShare
from frontend.jobs.scripts import LUA, Scripts
from frontend.jobs.settings import JobSettings
from frontend.jobs.stored_state import job_state
from frontend.keys.api_keys import KeyTerms

log = logging.getLogger(__name__)
MAX_WATERMARK_BYTES = 256 << 20  # bytes of Redis' memory; more watermarks are answered like a full queue
IDEMPOTENCY_S = 86_400  # the life of an idempotency key
# Starts of one job, whoever was to blame for their ends; at a second or more each.
MAX_STARTS = 100
# A consumer that is silent for so many leases, and holds nothing, belongs to a process that was killed.
SILENT_LEASES = 4
LATER_VERSIONS_S = 0.5  # between two looks of a worker that can read none of the jobs that wait
FAILED = "Generation failed"
TAKEN_DOWN = "Picture was taken down"
CACHED_KEEP_S = 3_600  # the published life of a job that the cache answered
# A job with a webhook is kept until the last attempt to deliver its end is over (webhooks/backoff.py).
WEBHOOK_KEEP_S = 3_900


READ_AT_ONCE = 200  # jobs
UNDRAWN = (StoredState.IN_QUEUE.encode(), StoredState.IN_PROGRESS.encode())

ANY_NUMBER = KeyTerms()
ENGINE_TIMINGS = ("encode", "denoise", "decode")  # of StoredPicture.timings_ms: what the networks took


class _OfModel(msgspec.Struct):
    """As much of a job's record as every version writes."""

    model: str


_decode_model = msgspec.json.Decoder(_OfModel).decode


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


def _not_kept() -> ApiError:
    return ApiError(503, "Order could not be kept safely; send it again", {"Retry-After": "2"})


def _refuse_webhook(outcome: bytes) -> None:
    """Raises ApiError."""
    if outcome == b"webhooks":
        raise ApiError(429, "Too many webhooks of this key are undelivered", {"Retry-After": "60"})
    if outcome == b"undelivered":
        raise ApiError(503, "Too many webhooks are undelivered", {"Retry-After": "60"})


class JobStore:
    def __init__(
        self, redis: "Redis", settings: JobSettings, *, max_watermark_bytes: int = MAX_WATERMARK_BYTES
    ) -> None:
        self._redis = redis
        self._settings = settings
        self._replicas = Replicas(settings.redis_replicas, settings.redis_replicas_timeout_s)
        self._max_watermark_bytes = max_watermark_bytes
        self._max_stored_jobs = max_stored_jobs(settings)
        self._lease_ms = int(settings.job_lease_s * 1000)
        self._scripts = Scripts(redis, LUA)
        self._run = self._scripts.run
        self._told_of_later_versions = False
        self._reads: Coalescer[str, list[Any]] = Coalescer(self._read_many)
        self._serves: Coalescer[tuple[str | bytes | float, ...], Any] = Coalescer(self._serve_many)

    @property
    def deadline_s(self) -> float:
        """After acceptance, when a job ends at the latest, but for what its review still takes."""
        return self._settings.job_deadline_s

    async def prepare(self) -> None:
        """Makes the stream and its group where they are missing; adopts what the version before queued."""
        while await self._run("prepare"):
            pass

    # What the actions call

    async def accept(
        self,
        job: Job,
        watermark: bytes,
        repeat: IdempotencyKey | None,
        webhook: Webhook | None = None,
        share: QueueShare = ORDINARY,
        *,
        terms: KeyTerms = ANY_NUMBER,
        quotas: list[Quota] | None = None,
    ) -> str:
        """The id of the accepted job: this one, or the first one with the same idempotency key.

        `terms`: of the job's key; what is left of its limits is appended to `quotas`.
        """
        settings = self._settings
        outcome, known, used, kept = await self._accept_on_replicas(
            "accept",
            job.id,
            job.owner,
            msgspec.json.encode(job),
            watermark,
            settings.job_deadline_s * 1000,
            # A repeated idempotency key is answered from the job, for as long as the key lives.
            max(settings.job_keep_s, IDEMPOTENCY_S if repeat else 0, WEBHOOK_KEEP_S if webhook else 0),
            settings.queue_limit,
            settings.key_jobs_limit,
            self._max_watermark_bytes,
            repeat.redis_key if repeat else "",
            repeat.body if repeat else "",
            IDEMPOTENCY_S,
            self._max_stored_jobs,
            *self._webhook_arguments(job, webhook),
            terms.daily,
            terms.monthly,
            share.encode(),
            job.record_version,
        )
        match outcome:
            case b"full":
                raise ApiError(503, "Queue is full", {"Retry-After": "5"})
            case b"busy":
                raise ApiError(429, "Too many unfinished jobs for this key", {"Retry-After": "5"})
            case b"stored":
                raise _over_quota(known)
            case b"daily" | b"monthly":
                raise over_budget(terms, outcome, known)
            case b"conflict":
                raise ApiError(409, "Idempotency key was used for another request")
        _refuse_webhook(outcome)
        if not kept:
            # One with an idempotency key stands: sent again it is the same order, and may be kept then.
            if not repeat:
                await self.cancel(job.id, job.owner)
            raise _not_kept()
        if outcome == b"accepted":
            count_accepted(job.model, "drawn")
        if quotas is not None:
            quotas.extend(budgets(terms, used))
        return str(known, "ascii")

    async def _accept_on_replicas(
        self, name: str, *arguments: str | bytes | float
    ) -> tuple[bytes, Any, list[int], bool]:
        """The script's answer, what is used of the key's limits apart, and whether as many replicas have what
        it wrote as the setting asks for."""
        if not self._replicas.wanted:
            outcome, known, *used = await self._run(name, *arguments)
            return outcome, known, used, True
        async with self._redis.pipeline(transaction=False) as pipe:
            await self._scripts[name](args=arguments, client=pipe)
            self._wait_for_replicas(pipe)
            answer, _, replicas = await pipe.execute()
        outcome, known, *used = answer
        return outcome, known, used, self._replicas.have(replicas)

    def _wait_for_replicas(self, pipe: "Pipeline") -> None:
        # Where a script found the job there already, this connection has written nothing yet.
        pipe.set(READY, "", ex=READY_S)
        self._replicas.wait(pipe)

    def _webhook_arguments(self, job: Job, webhook: Webhook | None) -> tuple[str | bytes | float, ...]:
        """Among the last ones of the scripts that store a new job."""
        told = (msgspec.json.encode(webhook), webhook.lane(job.owner)) if webhook else (b"", "")
        return *told, self._settings.key_webhooks_limit, self._settings.webhooks_limit

    async def accepted_before(self, repeat: IdempotencyKey) -> str | None:
        """The id that this idempotency key stands for. Raises ApiError when the body was another one."""
        known, body = _raw(await self._redis.hmget(repeat.redis_key, "id", "body"))
        if known is None:
            return None
        if body != repeat.body.encode():
            raise ApiError(409, "Idempotency key was used for another request")
        if self._replicas.wanted:  # who asked first may still wait for them
            async with self._redis.pipeline(transaction=False) as pipe:
                self._wait_for_replicas(pipe)
                if not self._replicas.have((await pipe.execute())[-1]):
                    raise _not_kept()
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
        answer = await self._run("cancel", job_id, owner, secrets.token_hex(8))
        state = StoredState(answer.decode()) if answer else None
        if state in (StoredState.IN_QUEUE, StoredState.IN_PROGRESS, StoredState.REVIEWING):
            ENDED.labels("cancelled").inc()
        return state

    async def judge(self, job_id: str, verdict: Verdict, offer: CacheOffer | None = None) -> bool:
        """Whether this is the job's verdict now. False: another came first, or it judged other bytes.

        `offer`: with the verdict, and only with it, the picture enters the cache.
        """
        told = (offer.vector, offer.encoder, offer.length) if offer else (b"", "", 0)
        if not await self._run("judge", job_id, verdict.sha256, msgspec.json.encode(verdict), *told):
            return False
        ENDED.labels("completed" if verdict.compliance == "safe" else "blocked").inc()
        return True

    async def serve(
        self,
        job: Job,
        cached: CachedPicture,
        repeat: IdempotencyKey | None,
        webhook: Webhook | None = None,
        *,
        terms: KeyTerms = ANY_NUMBER,
        quotas: list[Quota] | None = None,
    ) -> str | None:
        """A finished job that hands out a picture of the cache, for an hour: its id, or that of the first one
        with the same idempotency key. None: that picture was taken down. `terms`, `quotas`: see accept."""
        order = (
            job.id,
            job.owner,
            msgspec.json.encode(job),
            msgspec.json.encode(cached.picture),
            msgspec.json.encode(cached.verdict),
            job.gen_id,
            WEBHOOK_KEEP_S if webhook else CACHED_KEEP_S,
            repeat.redis_key if repeat else "",
            repeat.body if repeat else "",
            self._max_stored_jobs,
            *self._webhook_arguments(job, webhook),
            terms.daily,
            terms.monthly,
        )
        answer = await self._serves.get(order)
        if isinstance(answer, Exception):
            raise answer
        outcome, known, *used = answer
        if outcome == b"stored":
            raise _over_quota(known)
        if outcome == b"daily":
            raise over_budget(terms, outcome, known)
        if outcome == b"conflict":
            raise ApiError(409, "Idempotency key was used for another request")
        _refuse_webhook(outcome)
        if outcome == b"accepted":
            count_accepted(job.model, "cache")
        if quotas is not None:
            quotas.extend(budgets(terms, used))
        return None if outcome == b"taken" else str(known, "ascii")

    async def _serve_many(self, orders: list[tuple[str | bytes | float, ...]]) -> list[Any]:
        """A script each, sent together; what went wrong with one stands in its place."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for order in orders:
                await self._scripts["serve"](args=order, client=pipe)
            if not self._replicas.wanted:
                return await pipe.execute(raise_on_error=False)
            self._wait_for_replicas(pipe)
            *answers, _, replicas = await pipe.execute(raise_on_error=False)
        if isinstance(replicas, Exception) or not self._replicas.have(replicas):
            return [_not_kept()] * len(orders)
        return answers

    async def count_undrawn(self, model: str) -> int:
        """Jobs of all keys that are still to be drawn with this model. Raises RedisError."""
        ids = [str(each, "ascii") for each in _raw(await self._redis.zrange(OPEN, 0, -1))]
        count = 0
        for begin in range(0, len(ids), READ_AT_ONCE):
            async with self._redis.pipeline(transaction=False) as pipe:
                for job_id in ids[begin : begin + READ_AT_ONCE]:
                    pipe.hmget(f"{JOB_PREFIX}{job_id}", "record", "state")
                rows = await pipe.execute()
            records = [record for record, state in rows if record and state in UNDRAWN]
            count += sum(_decode_model(record).model == model for record in records)
        return count

    async def take_down(self, gen_id: str, job_id: str, register: str, files: Sequence[str]) -> int:
        """From now on no server hands this picture out. `register`: its entry in the registry's stream.

        How many jobs showed it; they are FAILED now.
        """
        kept = msgspec.json.encode(files)
        return int(await self._run("takedown", gen_id, job_id, register, kept, TAKEN_DOWN))

    async def erase_job(self, job_id: str, owner: str) -> bool:
        """Ends the job and removes all of it. Whether there was such a job of this owner."""
        return bool(await self._run("erase_job", job_id, owner))

    async def erase_picture(self, entry: str, picture: RegisteredPicture, nobodys: RegisteredPicture) -> bool:
        """From now on no server hands this picture out, and `nobodys` is registered in its place. `entry`:
        its own in the registry's stream. Whether that was there."""
        files, told = msgspec.json.encode(picture.files), msgspec.json.encode(nobodys)
        erased = await self._run(
            "erase_picture", picture.gen_id, entry, told, files, TAKEN_DOWN, picture.owner
        )
        return bool(erased)

    async def fail_unjudged(self, job_id: str) -> None:
        """Fails a job that no verdict came for before its deadline."""
        if await self._run("unjudged", job_id):
            ENDED.labels("unjudged").inc()

    # What the worker calls

    async def next(self, consumer: str, wait_ms: int) -> Claim | None:
        """A job whose worker went silent, else the one whose turn it is, else None after `wait_ms`."""
        async for entry, fields in self._claim_abandoned(consumer):
            if claim := await self._take(consumer, fields.get(b"id", b"-"), entry):
                return claim
        if claim := await self._take(consumer):
            return claim
        # Who wakes and dies before it takes wakes nobody else: then it is for the next look to find the job.
        # Redis 6 takes a millisecond for no limit.
        woken = _raw(await self._redis.blpop([WAKE], timeout=max(wait_ms, 10) / 1000)) if wait_ms else None
        return await self._take(consumer) if woken else None

    async def _claim_abandoned(self, consumer: str) -> AsyncIterator[tuple[bytes, dict[bytes, bytes]]]:
        """Entries past their lease, one at a time. One call of Redis looks at all at work; XAUTOCLAIM
        looks at ten, so it would take two hundred before each job of a thousand GPUs."""
        after, lease = b"-", self._lease_ms
        while found := _raw(
            await self._redis.xpending_range(QUEUE, WORKERS, min=after, max="+", count=1, idle=lease)
        ):
            entry = found[0]["message_id"]
            after = b"(" + entry  # one that is left for later versions is past its lease again
            # Of those who found it, one gets it: it is idle no more.
            for _, fields in _raw(await self._redis.xclaim(QUEUE, WORKERS, consumer, lease, [entry])):
                if fields is not None:  # Redis 6 says so where the entry was deleted while it was pending
                    yield entry, fields

    async def _take(self, consumer: str, silent: bytes = b"", entry: bytes = b"") -> Claim | None:
        """`silent`: the job, with its entry, whose worker is; else the one whose turn it is."""
        token, attempts = secrets.token_hex(8), self._settings.job_attempts
        limits = attempts, MAX_STARTS, RECORD_VERSION
        taken, *ended, too_new = await self._run("take", consumer, token, *limits, silent, entry)
        if too_new:
            await self._leave_to_later_versions(taken is None)
        for outcome, count in zip(("timed_out", "failed"), ended, strict=True):
            ENDED.labels(outcome).inc(count)
        if taken is None:
            return None
        job_id, attempt, record, watermark, queue_ms = taken
        try:
            return Claim(decode_job(record), attempt, token, watermark, float(queue_ms), consumer)
        except msgspec.MsgspecError as error:  # it would come back to one frontend after the other
            log.error("job %s cannot be read: %s", job_id.decode(errors="replace"), error)
            await self._fail(job_id.decode(), token)
            return None

    async def _leave_to_later_versions(self, idle: bool) -> None:
        """`idle`: nothing else was there to take, and looking again at once would find the same."""
        if not self._told_of_later_versions:
            log.warning("jobs of a later version wait; they are left to workers that can read them")
        self._told_of_later_versions = True
        if idle:
            await asyncio.sleep(LATER_VERSIONS_S)

    async def beat(self, claim: Claim, progress: float | None = None) -> bool:
        """Renews the lease. False: the job was cancelled, timed out or went to another worker."""
        shown = "" if progress is None else f"{progress:.3f}"
        return bool(await self._run("beat", claim.job.id, claim.token, claim.consumer, shown))

    async def made(self, claim: Claim, picture: StoredPicture) -> bool:
        """Whether this attempt's picture is the job's; False: its files are to be deleted."""
        encoded = msgspec.json.encode(picture)
        entry = msgspec.json.encode(register(claim.job, picture))
        engine_ms = round(sum(picture.timings_ms.get(part, 0.0) for part in ENGINE_TIMINGS))
        used = engine_ms, picture.bytes
        return bool(await self._run("made", claim.job.id, claim.token, encoded, picture.sha256, entry, *used))

    async def fail(self, claim: Claim) -> None:
        """The end of a job that no further start would help."""
        await self._fail(claim.job.id, claim.token)

    async def _fail(self, job_id: str, token: str) -> None:
        if await self._run("fail", job_id, token, FAILED):
            ENDED.labels("failed").inc()

    async def release(self, claim: Claim, *, charge: bool) -> None:
        """Back into the queue; uncharged when the job had no part in what went wrong."""
        await self._run("release", claim.job.id, claim.token, int(charge))

    async def sweep(self) -> None:
        """Times out what passed its deadline while nobody polled or worked on it; forgets dead consumers."""
        ENDED.labels("timed_out").inc(await self._run("sweep", SILENT_LEASES * self._lease_ms))

    async def oldest_waiting_s(self) -> float:
        """Since the oldest job in the queue was accepted; 0 where none waits. Raises RedisError."""
        left_ms = await self._run("oldest")
        return 0.0 if left_ms is None else max(0.0, self._settings.job_deadline_s - left_ms / 1000)

    async def forget(self, consumer: str) -> None:
        """Removes a consumer that holds nothing; one that still does is left for its leases to end."""
        await self._run("forget", consumer)
