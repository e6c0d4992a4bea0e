"""Has a made picture judged: once, whichever frontends are polled, and never again."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Protocol

import msgspec
from redis.asyncio import Redis

from contract.acs import Depicts, ReviewRequest
from contract.redis_keys import REVIEW_PREFIX
from frontend.common.redis_lock import Lock
from frontend.common.trace_context import read_traceparent
from frontend.common.tracer import NO_TRACER, Tracer, note, spanning
from frontend.common.work_context import WorkContext, working
from frontend.domain.cache_entry import CacheOffer
from frontend.domain.job import Job
from frontend.domain.job_state import Reviewing
from frontend.domain.picture import StoredPicture
from frontend.domain.verdict import Verdict
from frontend.jobs.store import JobStore
from frontend.review import metrics
from frontend.review.links import Links
from frontend.review.reviewer import Reviewer

log = logging.getLogger(__name__)
# A poll waits this long for the verdict that it caused; a slower one is seen by the next poll.
POLL_WAIT_S = 5.0
ASIDE_S = 4.0  # of a review: looking the job up, signing the picture's URL, the cache's offer, storing
# A review ends so long before its lock does: two of them never run at the same time.
MARGIN_S = 3.0
# Before a picture that got no verdict is reviewed again: a client may poll hundreds of times a second.
REST_S = 1.0


class Offers(Protocol):
    async def offer(self, job: Job, verdict: Verdict) -> CacheOffer | None:
        """What the cache's log is told together with this verdict. Does not raise."""


class Reviews:
    def __init__(
        self,
        redis: "Redis",
        jobs: JobStore,
        links: Links,
        reviewer: Reviewer,
        cache: Offers,
        depicts: Callable[[str, Depicts], Depicts],
        review_timeout_s: float,
        rest_s: float = REST_S,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        """`depicts`: as Catalogue.depicts of the catalogue that counts now."""
        self._jobs = jobs
        self._links = links
        self._reviewer = reviewer
        self._cache = cache
        self._depicts = depicts
        self._limit_s = review_timeout_s + ASIDE_S
        self._rest_s = rest_s
        self._tracer = tracer
        self._lock = Lock(redis, self._limit_s + MARGIN_S)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._first_seen = metrics.FirstSeen()

    async def settle(self, job: Job) -> None:
        """Waits a moment for the verdict on its picture."""
        await asyncio.wait([self.begin(job)], timeout=POLL_WAIT_S)

    def begin(self, job: Job) -> "asyncio.Task[None]":
        """Has its picture reviewed. Who asks at the same time shares one review."""
        task = self._running.get(job.id)
        if task is None:
            self._first_seen.note(job.id)
            task = asyncio.create_task(self._review_once(job))
            self._running[job.id] = task
            task.add_done_callback(lambda _: self._rest(job.id))
        return task

    def _rest(self, job_id: str) -> None:
        """Its review, which has ended, stands for the next ones for a moment."""
        asyncio.get_running_loop().call_later(self._rest_s, self._running.pop, job_id, None)

    async def _review_once(self, job: Job) -> None:
        trace = read_traceparent(job.trace)
        with (
            working(WorkContext(key=job.owner, job=job.id, trace=trace)),
            spanning(self._tracer.resume("review", trace, {"job": job.id})),
        ):
            await self._review_alone(job)

    async def _review_alone(self, job: Job) -> None:
        """One frontend at a time. Whatever goes wrong is no verdict, and none that comes too late either."""
        try:
            async with (
                asyncio.timeout(self._limit_s),
                self._lock.attempt(f"{REVIEW_PREFIX}{job.id}") as ours,
            ):
                if ours:
                    await self._review_if_open(job)
        except Exception as error:
            log.exception("review of job %s: %s", job.id, type(error).__name__)
            with contextlib.suppress(Exception):  # the next poll tries again
                await self._jobs.fail_unjudged(job.id)

    async def _review_if_open(self, job: Job) -> None:
        """Looks again under the lock: another frontend may have finished while this one was asking for it."""
        match await self._jobs.read(job.id, job.owner):
            case Reviewing(job=job, picture=picture):
                await self._review(job, picture)

    async def _review(self, job: Job, picture: StoredPicture) -> None:
        if job.drawn is None:  # of an older version: nobody can say what it shows
            log.warning("no verdict: gen_id=%s what was drawn is not recorded", job.gen_id)
            await self._jobs.fail_unjudged(job.id)
            return
        request = ReviewRequest(
            gen_id=job.gen_id,
            image_url=(await self._links.for_reviewer(picture)).reveal(),
            ruleset=job.compliance_ruleset,
            prompt=job.prompt,
            positive=job.positive,
            drawn=job.drawn,
            negative=job.negative,
            character=job.character,
            depicts=self._depicts(job.character, job.depicts),
            texts={name: text for name, text in msgspec.structs.asdict(job.texts).items() if text},
            watermark=picture.watermark_share,
            sha256=picture.sha256,
            bytes=picture.bytes,
            model=job.model,
            precompliance=job.precompliance,
        )
        verdict = await self._reviewer.review(request)
        metrics.observe_review(verdict)
        note(compliance=verdict.compliance if verdict else "none")
        if verdict is None:
            await self._jobs.fail_unjudged(job.id)
        elif await self._jobs.judge(job.id, verdict, await self._cache.offer(job, verdict)):
            self._first_seen.settle(job.id)

    async def close(self) -> None:
        for task in list(self._running.values()):
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
