"""Whatever goes wrong around a review is no verdict, and leaves no lock behind."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import msgspec
from aiohttp import web
from redis.asyncio import Redis

from embedded.part import free_port
from frontend.audit.log import AuditLog
from frontend.domain.job import Job
from frontend.domain.job_state import Completed, Failed, JobState, Reviewing
from frontend.domain.picture import StoredFile
from frontend.domain.verdict import Verdict
from frontend.jobs.store import JobStore
from frontend.review.links import Links
from frontend.review.reviewer import Reviewer
from frontend.review.reviews import Reviews
from frontend.settings import Settings
from frontend.storage import StorageError
from frontend.storage.signed_url import SignedUrl
from tests.fakes import FakeAcs, listening
from tests.frontend.jobs.orders import a_job, a_picture

PICTURE = b"a picture"


@dataclass
class Signs:
    """A storage that signs a link as the test wants."""

    link: str
    fails: bool = False
    hangs: bool = False

    async def url(self, file: StoredFile, origin: str = "", *, download: bool = False) -> SignedUrl:
        if self.hangs:
            await asyncio.sleep(3600)
        if self.fails:
            raise StorageError("S3 url: NoCredentialsError")
        return SignedUrl(self.link)

    async def put(self, key: str, data: bytes, media_type: str) -> str:
        raise AssertionError("a review stores nothing")

    async def read(self, file: StoredFile) -> bytes:
        raise AssertionError("a review reads nothing")

    async def delete(self, keys: Sequence[str]) -> None:
        raise AssertionError("a review deletes nothing")

    async def exists(self, key: str) -> bool:
        return True

    async def check(self) -> None: ...


class NoCache:
    async def offer(self, job: Job, verdict: Verdict) -> None:
        return None


@dataclass
class ReviewBench:
    redis: "Redis"
    jobs: JobStore
    storage: Signs
    acs: FakeAcs
    reviews: Reviews

    async def make(self, **changes: Any) -> Reviewing:
        job = msgspec.structs.replace(a_job(), **changes)
        await self.jobs.accept(job, b"", None)
        claim = await self.jobs.next("one", 1000)
        picture = a_picture(hashlib.sha256(PICTURE).hexdigest())
        picture = msgspec.structs.replace(picture, watermark_share=0.25)
        assert claim and await self.jobs.made(claim, picture)
        state = await self.read(job)
        assert isinstance(state, Reviewing)
        return state

    async def read(self, job: Job) -> JobState:
        state = await self.jobs.read(job.id, job.owner)
        assert state is not None
        return state

    async def locks(self) -> list[Any]:
        return [*await self.redis.keys("imgen:review:*")]


@contextlib.asynccontextmanager
async def pictures() -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=PICTURE)

    app, port = web.Application(), free_port()
    app.router.add_get("/picture", answer)
    async with listening(app, port):
        yield f"http://127.0.0.1:{port}/picture"


@contextlib.asynccontextmanager
async def bench(redis: "Redis", **changes: Any) -> AsyncIterator[ReviewBench]:
    async with FakeAcs().running() as acs, pictures() as url, aiohttp.ClientSession() as http:
        settings = replace(Settings(acs_url=acs.url), **changes)
        jobs, storage = JobStore(redis, settings), Signs(url)
        await jobs.prepare()
        reviews = Reviews(
            redis,
            jobs,
            Links(storage, AuditLog(redis)),
            Reviewer(acs.url, settings.acs_timeout_s, http),
            NoCache(),
            lambda _, recorded: recorded,
            settings.acs_timeout_s,
            rest_s=0.0,
        )
        yield ReviewBench(redis, jobs, storage, acs, reviews)
        await reviews.close()


async def test_link_that_cannot_be_signed_leaves_the_picture_to_the_next_poll(redis: "Redis") -> None:
    async with bench(redis) as here:
        here.storage.fails = True
        state = await here.make()
        await here.reviews.settle(state.job)
        assert isinstance(await here.read(state.job), Reviewing)
        assert await here.locks() == []
        here.storage.fails = False
        await here.reviews.settle(state.job)
        assert isinstance(await here.read(state.job), Completed)


async def test_link_that_cannot_be_signed_fails_the_job_past_its_deadline(redis: "Redis") -> None:
    async with bench(redis) as here:
        here.storage.fails = True
        state = await here.make()
        await redis.hset(f"imgen:job:{state.job.id}", "deadline", 1)
        await here.reviews.settle(state.job)
        after = await here.read(state.job)
        assert after == Failed(state.job, "Compliance review unavailable")


async def test_reviewer_is_told_how_much_a_watermark_covers(redis: "Redis") -> None:
    async with bench(redis) as here:
        await here.reviews.settle((await here.make()).job)
        assert [review["watermark"] for review in here.acs.reviews] == [0.25]


async def test_job_of_which_nobody_knows_what_was_drawn_is_never_judged(redis: "Redis") -> None:
    async with bench(redis) as here:
        state = await here.make(drawn=None)
        await here.reviews.settle(state.job)
        assert isinstance(await here.read(state.job), Reviewing)
        await redis.hset(f"imgen:job:{state.job.id}", "deadline", 1)
        await here.reviews.settle(state.job)
        assert await here.read(state.job) == Failed(state.job, "Compliance review unavailable")
        assert here.acs.reviews == []


async def test_signing_that_hangs_ends_before_the_lock_does(redis: "Redis") -> None:
    async with bench(redis, acs_timeout_s=0.1) as here:
        here.storage.hangs = True
        state = await here.make()
        await here.reviews.settle(state.job)
        assert await here.locks() == []
        here.storage.hangs = False
        await here.reviews.settle(state.job)
        assert isinstance(await here.read(state.job), Completed)


async def test_server_that_stops_leaves_no_lock_behind(redis: "Redis") -> None:
    reached = asyncio.Event()

    async def never(verdict: dict[str, object]) -> web.StreamResponse:
        reached.set()
        await asyncio.sleep(3600)
        raise AssertionError

    async with bench(redis) as here:
        here.acs.answer = never
        state = await here.make()
        poll = asyncio.create_task(here.reviews.settle(state.job))
        await asyncio.wait_for(reached.wait(), 30)
        assert len(await here.locks()) == 1
        await here.reviews.close()
        await poll
        assert await here.locks() == []
