"""Takes jobs from the queue and makes their pictures: Triton, finishing, object store, record."""

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Protocol

from redis.exceptions import RedisError

from frontend.finishing.finish import Finisher
from frontend.inference import InferenceError
from frontend.jobs.record import Job, StoredPicture
from frontend.jobs.store import Claim, JobStore
from frontend.picture import Credentials, Encoding, Finished, Picture, PictureOrder, VisibleMark
from frontend.settings import Settings
from frontend.storage import Storage, StorageError

log = logging.getLogger(__name__)
WAIT_MS = 250  # how long one look into the queue waits, and so how long a stop may take
PAUSE_S = 1.0  # before a part that just failed is asked again
STORE_TRIES = 4


class Lost(Exception):
    """The job is no longer this worker's: cancelled, timed out, or taken over."""


class TextToImage(Protocol):
    """What draws; in this project Triton, through frontend/inference.py."""

    async def text_to_image(
        self, order: PictureOrder, on_progress: Callable[[float], Awaitable[None]]
    ) -> Picture: ...

    async def ready(self) -> bool: ...


@dataclass(frozen=True)
class Workshop:
    """What a worker needs to turn a claim into a stored picture."""

    jobs: JobStore
    inference: TextToImage
    finisher: Finisher
    storage: Storage


class Workers:
    """As many jobs at a time as the settings say, in this process."""

    def __init__(self, shop: Workshop, settings: Settings) -> None:
        self._shop = shop
        self._settings = settings
        self._consumer = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._free = asyncio.Semaphore(settings.workers)
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._spawn(self._sweep())
        if self._settings.workers:
            self._spawn(self._fetch())

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def stop(self) -> None:
        """Gives unfinished jobs back to the queue, uncharged."""
        while self._tasks:  # the fetcher may start one more job while it is being stopped
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks)
        with contextlib.suppress(RedisError):
            await self._shop.jobs.forget(self._consumer)

    async def _sweep(self) -> None:
        while True:
            with contextlib.suppress(RedisError):
                await self._shop.jobs.sweep()
            await asyncio.sleep(1.0)

    async def _fetch(self) -> None:
        """Looks for a job whenever a place is free."""
        while True:
            await self._free.acquire()
            claim = None
            try:
                claim = await self._next()
            except RedisError as error:
                log.warning("queue is out of reach: %s", type(error).__name__)
                await asyncio.sleep(PAUSE_S)
            finally:
                if claim is None:
                    self._free.release()
            if claim is not None:
                self._spawn(self._work(claim)).add_done_callback(lambda _: self._free.release())

    async def _next(self) -> Claim | None:
        """Runs to its end even while stopping: a claim that nobody saw would wait for its lease."""
        look = asyncio.ensure_future(self._shop.jobs.next(self._consumer, WAIT_MS))
        try:
            return await asyncio.shield(look)
        except asyncio.CancelledError:
            with contextlib.suppress(Exception):
                if claim := await look:
                    await self._shop.jobs.release(claim, charge=False)
            raise

    async def _work(self, claim: Claim) -> None:
        """One attempt. However it ends, the job ends with it, waits again, or is found by its lease's end."""
        try:
            await self._attempt(claim)
        except RedisError as error:
            log.warning("job %s attempt %d: %s", claim.job.id, claim.attempt, type(error).__name__)

    async def _attempt(self, claim: Claim) -> None:
        jobs, name = self._shop.jobs, claim.job.id
        try:
            async with held(jobs, claim, self._settings.job_lease_s):
                await make(self._shop, claim)
        except Lost:
            log.info("job %s attempt %d: no longer ours", name, claim.attempt)
        except asyncio.CancelledError:
            await jobs.release(claim, charge=False)
            raise
        except InferenceError as error:
            log.warning("job %s attempt %d: %s", name, claim.attempt, error)
            await jobs.release(claim, charge=not error.retryable)
            await asyncio.sleep(PAUSE_S)
        except Exception:
            log.exception("job %s attempt %d", name, claim.attempt)
            await jobs.release(claim, charge=True)
            await asyncio.sleep(PAUSE_S)


@contextlib.asynccontextmanager
async def held(jobs: JobStore, claim: Claim, lease_s: float) -> AsyncIterator[None]:
    """Renews the lease while its body runs, and ends the body with Lost when that fails for a whole lease."""
    body = asyncio.current_task()
    assert body is not None
    lost = asyncio.create_task(_until_lost(jobs, claim, lease_s))
    ended_here = False

    def end_body(task: asyncio.Task[None]) -> None:
        nonlocal ended_here
        if not task.cancelled():
            ended_here = True
            body.cancel()

    lost.add_done_callback(end_body)
    try:
        yield
    except asyncio.CancelledError:
        if not ended_here or body.uncancel() > 0:
            raise
        raise Lost from None
    finally:
        lost.remove_done_callback(end_body)
        lost.cancel()


async def _until_lost(jobs: JobStore, claim: Claim, lease_s: float) -> None:
    renewed = time.monotonic()
    while time.monotonic() - renewed < lease_s:
        await asyncio.sleep(lease_s / 4)
        with contextlib.suppress(RedisError):
            if not await jobs.beat(claim):
                return
            renewed = time.monotonic()


async def make(shop: Workshop, claim: Claim) -> None:
    """The stages of a picture, each named for what it adds."""
    job = claim.job
    picture = await shop.inference.text_to_image(order(job), _reporter(shop.jobs, claim))
    finished = await shop.finisher.finish(
        picture, visible_mark(claim), encoding(job), credentials(job, picture)
    )
    stored = locate(job, claim.attempt, finished, timings(claim, picture, finished), picture.weights)
    await store(shop.storage, stored, finished)
    if not await shop.jobs.made(claim, stored):
        await shop.storage.delete([stored.key, stored.thumbnail_key])
        raise Lost
    log.info("job %s attempt %d: made, ms: %s", job.id, claim.attempt, stored.timings_ms)


def _reporter(jobs: JobStore, claim: Claim) -> Callable[[float], Awaitable[None]]:
    async def report(progress: float) -> None:
        if not await jobs.beat(claim, progress):
            raise Lost

    return report


async def store(storage: Storage, stored: StoredPicture, finished: Finished) -> None:
    """Both files. A store that is away for a moment does not cost the picture."""
    for left in reversed(range(STORE_TRIES)):
        try:
            await asyncio.gather(
                storage.put(stored.key, finished.picture.data, finished.picture.media_type),
                storage.put(stored.thumbnail_key, finished.thumbnail.data, finished.thumbnail.media_type),
            )
            return
        except StorageError:
            if not left:
                raise
            await asyncio.sleep(PAUSE_S * (STORE_TRIES - left))


def order(job: Job) -> PictureOrder:
    return PictureOrder(
        prompt=job.positive,
        negative=job.negative,
        model=job.model,
        character=job.character,
        width=job.width,
        height=job.height,
        steps=job.steps,
        guidance=job.guidance,
        seed=job.seed,
    )


def visible_mark(claim: Claim) -> VisibleMark | None:
    mark = claim.job.mark
    if not claim.mark:
        return None
    return VisibleMark(
        image=claim.mark,
        position=mark.position,
        scale=mark.scale,
        opacity=mark.transparency,
        rotation=mark.rotation,
        padding_x=mark.padding_x,
        padding_y=mark.padding_y,
    )


def encoding(job: Job) -> Encoding:
    return Encoding(format=job.format, quality=job.quality, lossless=job.lossless)


def credentials(job: Job, picture: Picture) -> Credentials:
    return Credentials(
        gen_id=job.gen_id,
        author=job.texts.author,
        title=job.texts.title,
        description=job.texts.description,
        organization=job.texts.organization,
        vendor=job.texts.vendor,
        model=job.model,
        character=job.character,
        rights=job.rights,
        seed=job.seed,
        ruleset=job.compliance_ruleset,
        weights=picture.weights,
        when=job.time,
    )


def timings(claim: Claim, picture: Picture, finished: Finished) -> dict[str, float]:
    made = {"queue": claim.queue_ms, **picture.timings_ms, "finish": sum(finished.timings_ms.values())}
    return {name: round(value, 1) for name, value in made.items()}


def locate(
    job: Job, attempt: int, finished: Finished, timings_ms: dict[str, float], weights: Mapping[str, str]
) -> StoredPicture:
    """The attempt is part of the key, so a stale worker can never overwrite the files of a newer one."""
    folder = f"pictures/{job.time[:10].replace('-', '/')}/{job.gen_id}/{attempt}"
    stem, extension = f"{job.gen_id}_{finished.fingerprint}_00001", finished.picture.extension
    picture, thumbnail = f"{stem}.{extension}", f"{stem}_thumb.{finished.thumbnail.extension}"
    return StoredPicture(
        sha256=finished.picture.sha256,
        key=f"{folder}/{picture}",
        filename=picture,
        thumbnail_key=f"{folder}/{thumbnail}",
        thumbnail_filename=thumbnail,
        fingerprint=finished.fingerprint,
        timings_ms=timings_ms,
        weights=dict(weights),
    )
