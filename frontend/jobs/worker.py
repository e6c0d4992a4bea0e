"""Takes jobs from the queue and makes their pictures: Triton, finishing, object store, record."""

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Protocol

from redis.exceptions import RedisError

from frontend.common.supervised import SupervisedLoop
from frontend.common.trace_context import read_traceparent
from frontend.common.tracer import NO_TRACER, Attributes, Tracer, note, span, spanning, told_span
from frontend.common.work_context import WorkContext, working
from frontend.domain.inference_error import FailureScope, InferenceError
from frontend.domain.picture import (
    Credentials,
    Encoding,
    Finished,
    Picture,
    PictureOrder,
    StoredPicture,
    Watermark,
)
from frontend.jobs import metrics
from frontend.jobs.claim import Claim
from frontend.jobs.instructions import credentials, encoding, locate, order, timings, watermark
from frontend.jobs.lease import LeaseLost, hold_lease
from frontend.jobs.picture_store import PictureStore
from frontend.jobs.settings import JobSettings
from frontend.jobs.store import JobStore
from frontend.storage import StorageError

log = logging.getLogger(__name__)
WAIT_MS = 250  # how long one look into the queue waits, and so how long a stop may take
STOP_AGAIN_S = 5.0  # longer than it takes to give a job back
PAUSE_S = 1.0  # before a part that just failed is asked again
SWEEP_EVERY_S = 1.0


class TextToImage(Protocol):
    """What draws; in this project Triton, through frontend/inference/client.py."""

    async def text_to_image(
        self, order: PictureOrder, on_progress: Callable[[float], Awaitable[None]]
    ) -> Picture: ...

    async def ready(self) -> bool: ...

    async def until_room(self) -> None:
        """Until an order that is taken from the queue now would be drawn at once."""
        ...


class Finishes(Protocol):
    """What marks, encodes and signs: frontend/finishing/finish.py."""

    async def finish(
        self, picture: Picture, watermark: Watermark | None, encoding: Encoding, credentials: Credentials
    ) -> Finished: ...


@dataclass(frozen=True)
class WorkerContext:
    """What a worker needs to turn a claim into a stored picture."""

    jobs: JobStore
    inference: TextToImage
    finisher: Finishes
    pictures: PictureStore
    tracer: Tracer = NO_TRACER


class Workers:
    """As many jobs at a time as the settings say, in this process."""

    def __init__(
        self,
        context: WorkerContext,
        settings: JobSettings,
        pause_s: float = PAUSE_S,
        stop_again_s: float = STOP_AGAIN_S,
    ) -> None:
        self._pause_s, self._stop_again_s = pause_s, stop_again_s
        self._context = context
        self._settings = settings
        self._consumer = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._free = asyncio.Semaphore(settings.workers)
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweeping = SupervisedLoop("jobs are not swept", self._sweep, log, pause_s=pause_s)
        self._fetching = SupervisedLoop("jobs are not fetched", self._fetch, log, pause_s=pause_s)
        self._loops: list[asyncio.Task[None]] = []
        self._retired = False

    def start(self) -> None:
        metrics.WORKERS.set(self._settings.workers)
        loops = [self._sweeping, self._fetching] if self._settings.workers else [self._sweeping]
        self._loops += [self._spawn(loop.run()) for loop in loops]

    @property
    def running(self) -> bool:
        """Whether jobs are looked for, and the last look did not fail."""
        return not self._failing and not any(loop.done() for loop in self._loops)

    @property
    def _failing(self) -> bool:
        return self._sweeping.failing or self._fetching.failing

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def retire(self) -> None:
        """No further job is taken; those that were are gone on with."""
        self._retired = True
        for fetching in self._loops[1:]:
            fetching.cancel()

    async def until_idle(self) -> None:
        """After `retire`: until no job is worked on any more."""
        while busy := self._tasks - set(self._loops[:1]):
            await asyncio.wait(busy)

    async def stop(self) -> None:
        """Gives unfinished jobs back to the queue, uncharged."""
        # Again and again: the fetcher may start one more job while it is being stopped, and a client library
        # may lose a cancellation that comes while it connects.
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=self._stop_again_s)
        with contextlib.suppress(RedisError):
            await self._context.jobs.forget(self._consumer)

    async def _sweep(self) -> None:
        if self._failing:  # perhaps since Redis was emptied, and has no stream any more
            await self._context.jobs.prepare()
        await self._context.jobs.sweep()
        await asyncio.sleep(SWEEP_EVERY_S)

    async def _fetch(self) -> None:
        """Looks for a job when a place is free, here and in a Triton: what must wait waits in the queue."""
        if self._retired:  # and the cancellation was lost
            await asyncio.Event().wait()
        await self._free.acquire()
        claim = None
        try:
            await self._context.pictures.until_working()
            await self._context.inference.until_room()
            claim = await self._next()
        finally:
            if claim is None:
                self._free.release()
        if claim is not None:
            self._spawn(self._work(claim)).add_done_callback(lambda _: self._free.release())

    async def _next(self) -> Claim | None:
        """Runs to its end even while stopping: a claim that nobody saw would wait for its lease."""
        look = asyncio.ensure_future(self._context.jobs.next(self._consumer, WAIT_MS))
        try:
            return await asyncio.shield(look)
        except asyncio.CancelledError:
            with contextlib.suppress(Exception):
                if claim := await look:
                    await self._context.jobs.release(claim, charge=False)
            raise

    async def _work(self, claim: Claim) -> None:
        """One start. However it ends, the job ends with it, waits again, or is found by its lease's end."""
        name = f"job {claim.job.id} attempt {claim.attempt}"
        job, trace = claim.job, read_traceparent(claim.job.trace)
        told: Attributes = {"job": job.id, "attempt": claim.attempt, "model": job.model, "steps": job.steps}
        work = WorkContext(key=job.owner, job=job.id, trace=trace)
        try:
            with (
                working(work),
                spanning(self._context.tracer.resume("job", trace, told)),
                metrics.WORKING.track_inprogress(),
            ):
                told_span("wait", claim.queue_ms / 1000, claim.queue_ms / 1000)
                await self._start(claim)
        except LeaseLost:
            metrics.ATTEMPTS.labels("lost").inc()
            log.info("%s: no longer ours", name)
        except RedisError as error:
            log.warning("%s: %s", name, error)
        except Exception:
            log.exception("%s", name)

    async def _start(self, claim: Claim) -> None:
        """Who was to blame decides whether the job waits again, and whether this start is charged."""
        jobs = self._context.jobs
        try:
            async with hold_lease(jobs, claim, self._settings.job_lease_s):
                scope = await attempt(self._context, claim)
                metrics.ATTEMPTS.labels(scope.name.lower() if scope else "made").inc()
                if scope in (FailureScope.WORK, FailureScope.SERVERS):
                    await self._until_ready()
            if scope is FailureScope.ORDER:
                await jobs.fail(claim)
            elif scope:
                await jobs.release(claim, charge=scope is FailureScope.WORK)
        except asyncio.CancelledError:
            await jobs.release(claim, charge=False)
            raise

    async def _until_ready(self) -> None:
        """Started anew before, the job would only be counted down while the servers are away."""
        await asyncio.sleep(self._pause_s)
        while not await self._context.inference.ready():
            await asyncio.sleep(self._pause_s)


async def attempt(context: WorkerContext, claim: Claim) -> FailureScope | None:
    """Makes the picture; what was to blame, or None when the job has it now. Raises LeaseLost."""
    try:
        await make(context, claim)
    except LeaseLost:
        raise
    except InferenceError as error:
        log.warning("job %s attempt %d: %s", claim.job.id, claim.attempt, error)
        return error.scope
    except StorageError as error:
        log.warning("job %s attempt %d: %s", claim.job.id, claim.attempt, error)
        return FailureScope.WORK
    except Exception:
        log.exception("job %s attempt %d", claim.job.id, claim.attempt)
        return FailureScope.WORK
    return None


async def make(context: WorkerContext, claim: Claim) -> None:
    """The stages of a picture, each named for what it adds."""
    began = time.monotonic()
    located, finished = await draw(context, claim)
    drawn = time.monotonic()
    with span("store"):
        stored = await context.pictures.put(located, finished)
    store_s = time.monotonic() - drawn
    if not await record(context.jobs, claim, stored):
        await context.pictures.delete(stored)
        raise LeaseLost
    metrics.observe_made(claim, stored, finished, store_s, time.monotonic() - began)
    log.info("job %s attempt %d: made, ms: %s", claim.job.id, claim.attempt, stored.timings_ms)


async def draw(context: WorkerContext, claim: Claim) -> tuple[StoredPicture, Finished]:
    """Where the finished picture will lie, and its files; its pixels need not wait with it."""
    job = claim.job
    with span("text_to_image"):
        picture = await context.inference.text_to_image(order(job), _reporter(context.jobs, claim))
        _tell_stages(picture)
    # Unguessable, and never used twice: a later attempt's picture is another picture.
    invisible_id = secrets.randbits(64)
    with span("finish"):
        finished = await context.finisher.finish(
            picture, watermark(claim), encoding(job), credentials(job, picture, invisible_id)
        )
        note(**{f"{part}_ms": round(spent, 1) for part, spent in finished.timings_ms.items()})
    located = locate(claim, finished, timings(claim, picture, finished), picture)
    return located, finished


def _tell_stages(picture: Picture) -> None:
    """As Triton timed them, the last of which has just ended."""
    ago_s = sum(picture.timings_ms.values()) / 1000
    for stage, spent_ms in picture.timings_ms.items():
        told_span(stage, ago_s, spent_ms / 1000)
        ago_s -= spent_ms / 1000


def _reporter(jobs: JobStore, claim: Claim) -> Callable[[float], Awaitable[None]]:
    before = 0.0

    async def report(progress: float) -> None:
        nonlocal before
        now = time.monotonic()
        if before:  # the first report ends the encoding, too
            told_span("step", now - before, now - before, done=progress)
        before = now
        # Whether a Redis that is away for a moment costs the job is for the lease to decide.
        with contextlib.suppress(RedisError):
            if not await jobs.beat(claim, progress):
                raise LeaseLost

    return report


async def record(jobs: JobStore, claim: Claim, picture: StoredPicture) -> bool:
    """Whether the job has this picture now. Asked until Redis answers, or the lease is lost."""
    while True:
        try:
            return await jobs.made(claim, picture)
        except RedisError as error:
            log.warning("job %s attempt %d is made, but not recorded: %s", claim.job.id, claim.attempt, error)
            await asyncio.sleep(PAUSE_S)
