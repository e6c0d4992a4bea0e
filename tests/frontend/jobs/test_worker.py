"""What becomes of a job when a start of it ends badly. Redis, finishing and the folder are real."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from frontend.common.probe import Probe
from frontend.domain.inference_error import FailureScope, InferenceError
from frontend.domain.job import Job
from frontend.domain.job_state import Failed, JobState, Queued, Reviewing, Running, StoredState
from frontend.finishing.finish import Finisher
from frontend.invisible_mark.keys import load_keys
from frontend.jobs.claim import Claim
from frontend.jobs.lease import LeaseLost
from frontend.jobs.picture_store import PictureStore
from frontend.jobs.store import JobStore
from frontend.jobs.worker import WorkerContext, Workers, make
from frontend.net.public_url import public_url
from frontend.settings import Settings
from frontend.storage import Storage, open_storage
from tests.fakes import FakeTriton
from tests.frontend.jobs.orders import a_job
from tests.lossy_redis import unknown_to_the_next_master, wired


@dataclass
class Shop:
    jobs: JobStore
    triton: FakeTriton
    workers: Workers
    context: WorkerContext
    checks: int = 0  # whether pictures can be stored

    async def order(self) -> Job:
        job = a_job()
        await self.jobs.accept(job, b"", None)
        return job

    async def until(self, job: Job, *states: type[JobState]) -> JobState:
        async with asyncio.timeout(60):
            while not isinstance(view := await self.jobs.read(job.id, job.owner), states):
                await asyncio.sleep(0.02)
        return view


@contextlib.asynccontextmanager
async def shop(
    redis: "Redis", folder: Path, store: Callable[["Redis", Settings], JobStore] = JobStore, **changes: Any
) -> AsyncIterator[Shop]:
    """`storage` among the changes takes the place of what the settings tell."""
    chosen: Storage | None = changes.pop("storage", None)
    settings = replace(Settings(data_dir=folder, workers=2), **changes)
    keys = load_keys(settings.mark_key, settings.data_dir)
    async with (
        Finisher.open(settings, keys) as finisher,
        open_storage(settings, public_url(settings)) as opened,
    ):
        storage = chosen or opened
        triton, jobs = FakeTriton(), store(redis, settings)

        async def check() -> None:
            opened_shop.checks += 1
            await storage.check()

        pictures = PictureStore(storage, Probe(check), pause_s=0.1)
        await jobs.prepare()
        context = WorkerContext(jobs, triton, finisher, pictures)
        workers = Workers(context, settings, pause_s=0.1, stop_again_s=0.5)
        opened_shop = Shop(jobs, triton, workers, context)
        workers.start()
        try:
            yield opened_shop
        finally:
            triton.gate.set()
            await workers.stop()


async def test_refused_order_fails_at_once(redis: "Redis", tmp_path: Path) -> None:
    async with shop(redis, tmp_path) as here:
        here.triton.failures = [InferenceError("REFUSED: too long", FailureScope.ORDER)]
        view = await here.until(await here.order(), Failed, Reviewing)
        assert isinstance(view, Failed)
        assert (view.reason, len(here.triton.orders)) == ("Generation failed", 1)


@pytest.mark.parametrize(
    "error", [InferenceError("FAILED: out of memory", FailureScope.WORK), OSError("disk")]
)
async def test_order_that_is_worked_on_in_vain_has_so_many_starts(
    redis: "Redis", tmp_path: Path, error: Exception
) -> None:
    async with shop(redis, tmp_path, job_attempts=2) as here:
        here.triton.failures = [error] * 5
        view = await here.until(await here.order(), Failed, Reviewing)
        assert (type(view), len(here.triton.orders)) == (Failed, 2)


async def test_job_waits_uncharged_until_a_server_takes_orders(redis: "Redis", tmp_path: Path) -> None:
    async with shop(redis, tmp_path, job_attempts=1) as here:
        here.triton.takes_orders = False
        here.triton.failures = [InferenceError("no Triton takes orders", FailureScope.SERVERS)]
        job = await here.order()
        async with asyncio.timeout(60):
            while here.triton.asked_ready < 3:
                await asyncio.sleep(0.02)
        assert len(here.triton.orders) == 1
        here.triton.takes_orders = True
        await here.until(job, Reviewing)
        assert len(here.triton.orders) == 2


async def test_job_stays_in_the_queue_while_tritons_can_hold_no_more(redis: "Redis", tmp_path: Path) -> None:
    async with shop(redis, tmp_path) as here:
        here.triton.room.clear()
        looks = here.triton.asked_room
        async with asyncio.timeout(60):
            while here.triton.asked_room == looks:  # a look that had begun is over
                await asyncio.sleep(0.02)
        job = await here.order()
        assert isinstance(await here.jobs.read(job.id, job.owner), Queued)
        here.triton.room.set()
        await here.until(job, Reviewing)


async def test_job_that_waits_for_a_server_can_be_cancelled(redis: "Redis", tmp_path: Path) -> None:
    async with shop(redis, tmp_path, workers=1, job_lease_s=1.0) as here:
        here.triton.takes_orders = False
        here.triton.failures = [InferenceError("no Triton takes orders", FailureScope.SERVERS)]
        job = await here.order()
        async with asyncio.timeout(60):
            while not here.triton.asked_ready:
                await asyncio.sleep(0.02)
        assert await here.jobs.cancel(job.id, job.owner) is StoredState.IN_PROGRESS
        await here.until(await here.order(), Reviewing)  # its place is free


async def test_redis_that_is_away_for_a_moment_costs_neither_picture_nor_attempt(
    redis: "Redis", redis_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with wired(redis_url, tmp_path) as (wire, near), shop(near, tmp_path, job_attempts=1) as here:
        here.triton.gate.clear()
        job = await here.order()
        await here.until(job, Running)
        wire.cut()
        here.triton.gate.set()
        async with asyncio.timeout(60):
            while not list(tmp_path.rglob("*_thumb.jpg")):
                await asyncio.sleep(0.02)
            while here.workers.running:
                await asyncio.sleep(0.02)
            while "is made, but not recorded" not in caplog.text:  # the client library has given up
                await asyncio.sleep(0.02)
        wire.mend()
        view = await here.until(job, Reviewing, Failed)
        assert len(here.triton.orders) == 1
        assert isinstance(view, Reviewing) and (tmp_path / "files" / view.picture.key).exists()
        async with asyncio.timeout(60):
            while not here.workers.running:
                await asyncio.sleep(0.02)


async def test_picture_whose_recording_was_not_answered_is_kept(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with wired(redis_url, tmp_path) as (wire, near), shop(near, tmp_path, workers=1) as here:
        here.triton.gate.clear()
        job = await here.order()
        await here.until(job, Running)
        wire.lose_answer_to("_thumb.jpg")  # part of what `made` is told
        here.triton.gate.set()
        view = await here.until(job, Reviewing)
        await here.until(await here.order(), Reviewing)  # the worker is done with the first one
        assert wire.lost == 1
        assert isinstance(view, Reviewing) and (tmp_path / "files" / view.picture.key).exists()


class Stumbling(JobStore):
    """Fails at its first look in a way that nobody thought of."""

    stumbled = False

    async def next(self, consumer: str, wait_ms: int) -> Claim | None:
        if not self.stumbled:
            self.stumbled = True
            raise RuntimeError("nobody thought of this")
        return await super().next(consumer, wait_ms)

    async def sweep(self) -> None:
        raise RuntimeError("nor of this")


async def test_worker_whose_start_a_new_master_has_not_heard_of_leaves_the_next_ones_files(
    redis: "Redis", tmp_path: Path
) -> None:
    """Both are the job's first start, as far as each knows."""
    async with shop(redis, tmp_path, workers=0) as here, shop(redis, tmp_path, workers=0) as there:
        job = await here.order()
        async with unknown_to_the_next_master(redis):
            unknown = await here.jobs.next("one", 0)
        known = await there.jobs.next("two", 0)
        assert unknown and known and unknown.attempt == known.attempt
        await make(there.context, known)
        with pytest.raises(LeaseLost):
            await make(here.context, unknown)
        view = await there.jobs.read(job.id, job.owner)
        assert isinstance(view, Reviewing)
        stored = {path for path in (tmp_path / "files" / "pictures").rglob("*") if path.is_file()}
        assert stored == {tmp_path / "files" / key for key in (view.picture.key, view.picture.thumbnail_key)}
        data = (tmp_path / "files" / view.picture.key).read_bytes()
        assert hashlib.sha256(data).hexdigest() == view.picture.sha256


async def test_no_error_ends_the_search_for_jobs(redis: "Redis", tmp_path: Path) -> None:
    async with shop(redis, tmp_path, store=Stumbling) as here:
        await here.until(await here.order(), Reviewing)
        assert not here.workers.running  # nobody sweeps


async def test_emptied_redis_is_used_again(redis: "Redis", tmp_path: Path) -> None:
    async with shop(redis, tmp_path) as here:
        await redis.flushall()
        await here.until(await here.order(), Reviewing)


class HardOfHearing(JobStore):
    """Loses a cancellation, as a client library may while it connects."""

    cancelled = 0
    swept = False

    async def sweep(self) -> None:
        self.swept = True
        while self.cancelled < 2:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                self.cancelled += 1
        raise asyncio.CancelledError


async def test_lost_cancellation_does_not_keep_the_server_from_stopping(
    redis: "Redis", tmp_path: Path
) -> None:
    async with asyncio.timeout(60), shop(redis, tmp_path, store=HardOfHearing) as one:
        assert isinstance(one.jobs, HardOfHearing)
        while not one.jobs.swept:
            await asyncio.sleep(0.01)
    assert one.jobs.cancelled == 2
