"""Whatever goes wrong around a review is no verdict, and leaves no lock behind."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
from aiohttp import web
from redis.asyncio import Redis

from frontend.domain.job import Job, JobView, State
from frontend.jobs.store import JobStore
from frontend.review.links import Links
from frontend.review.reviewer import Reviewer, Verdict
from frontend.review.reviews import Reviews
from frontend.settings import Settings
from frontend.storage import StorageError
from tests.fakes import FakeAcs
from tests.frontend.jobs.orders import a_job, a_picture


@dataclass
class Signs:
    """A storage that signs a link as the test wants."""

    link: str
    fails: bool = False
    hangs: bool = False

    async def url(self, key: str, filename: str) -> str:
        if self.hangs:
            await asyncio.sleep(3600)
        if self.fails:
            raise StorageError("S3 url: NoCredentialsError")
        return self.link

    async def put(self, key: str, data: bytes, media_type: str) -> None:
        raise AssertionError("a review stores nothing")

    async def delete(self, keys: Sequence[str]) -> None:
        raise AssertionError("a review deletes nothing")

    async def exists(self, key: str) -> bool:
        return True

    async def ready(self) -> bool:
        return True


class NoCache:
    async def offer(self, job: Job, verdict: Verdict) -> None:
        return None


@dataclass
class Room:
    redis: "Redis"
    jobs: JobStore
    storage: Signs
    acs: FakeAcs
    reviews: Reviews

    async def made(self) -> JobView:
        job = a_job()
        await self.jobs.accept(job, b"", None)
        claim = await self.jobs.next("one", 1000)
        assert claim and await self.jobs.made(claim, a_picture())
        return await self.view(job)

    async def view(self, job: Job) -> JobView:
        view = await self.jobs.view(job.id, job.owner)
        assert view is not None
        return view

    async def locks(self) -> list[Any]:
        return [*await self.redis.keys("imgen:review:*")]


@contextlib.asynccontextmanager
async def room(redis: "Redis", **changes: Any) -> AsyncIterator[Room]:
    async with FakeAcs().running() as acs, aiohttp.ClientSession() as http:
        settings = replace(Settings(acs_url=acs.url), **changes)
        jobs, storage = JobStore(redis, settings), Signs(f"{acs.url}/picture")
        await jobs.prepare()
        reviews = Reviews(redis, jobs, Links(storage), Reviewer(settings, http), NoCache(), settings)
        yield Room(redis, jobs, storage, acs, reviews)
        await reviews.close()


async def test_link_that_cannot_be_signed_leaves_the_picture_to_the_next_poll(redis: "Redis") -> None:
    async with room(redis) as here:
        here.storage.fails = True
        view = await here.made()
        await here.reviews.settle(view)
        assert (await here.view(view.job)).state is State.REVIEWING
        assert await here.locks() == []
        here.storage.fails = False
        await here.reviews.settle(view)
        assert (await here.view(view.job)).state is State.COMPLETED


async def test_link_that_cannot_be_signed_fails_the_job_past_its_deadline(redis: "Redis") -> None:
    async with room(redis) as here:
        here.storage.fails = True
        view = await here.made()
        await redis.hset(f"imgen:job:{view.job.id}", "deadline", 1)
        await here.reviews.settle(view)
        after = await here.view(view.job)
        assert (after.state, after.error) == (State.FAILED, "Compliance review unavailable")


async def test_signing_that_hangs_ends_before_the_lock_does(redis: "Redis") -> None:
    async with room(redis, acs_timeout_s=0.1) as here:
        here.storage.hangs = True
        view = await here.made()
        await here.reviews.settle(view)
        assert await here.locks() == []
        here.storage.hangs = False
        await here.reviews.settle(view)
        assert (await here.view(view.job)).state is State.COMPLETED


async def test_server_that_stops_leaves_no_lock_behind(redis: "Redis") -> None:
    reached = asyncio.Event()

    async def never() -> web.StreamResponse:
        reached.set()
        await asyncio.sleep(3600)
        raise AssertionError

    async with room(redis) as here:
        here.acs.answer = never
        view = await here.made()
        poll = asyncio.create_task(here.reviews.settle(view))
        await asyncio.wait_for(reached.wait(), 30)
        assert len(await here.locks()) == 1
        await here.reviews.close()
        await poll
        assert await here.locks() == []
