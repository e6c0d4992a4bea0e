"""A store that is away costs no picture, no attempt and no second drawing. Stores and Redis are real."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from embedded.part import SystemPart, free_port, running
from frontend.domain.job import Job
from frontend.domain.job_state import Cancelled, Failed, Queued, Reviewing, Running, TimedOut
from frontend.storage import LocalStorage, StorageError
from frontend.storage.signature import Signer
from tests.frontend.jobs.test_worker import Shop, shop
from tests.frontend.storage.keys import ACCESS_KEY, BUCKET, SECRET_KEY
from tests.frontend.storage.servers import rclone_part
from tests.small_disk import small_disk


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def store(tmp_path: Path) -> SystemPart:
    """An S3 server that a test starts and stops."""
    return rclone_part(tmp_path / "s3", free_port())


@contextlib.asynccontextmanager
async def s3_shop(redis: "Redis", folder: Path, store: SystemPart, **changes: Any) -> AsyncIterator[Shop]:
    endpoint = store.url.replace("s3.test", "127.0.0.1")
    bucket = {"s3_bucket": BUCKET, "s3_endpoint": endpoint, "s3_addressing": "path"}
    async with shop(redis, folder, **{**bucket, "job_attempts": 1, **changes}) as here:
        yield here


def unstored() -> float:
    return REGISTRY.get_sample_value("imgen_pictures_unstored") or 0.0


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)


def waits(caplog: pytest.LogCaptureFixture) -> bool:
    return "pictures wait for their store" in caplog.text


@pytest.mark.s3
async def test_pictures_wait_for_a_store_that_is_away_and_are_drawn_once(
    redis: "Redis", tmp_path: Path, store: SystemPart, caplog: pytest.LogCaptureFixture
) -> None:
    async with s3_shop(redis, tmp_path, store) as here:
        job = await here.order()
        await until(lambda: waits(caplog))
        later = [await here.order() for _ in range(4)]
        assert isinstance(await here.jobs.read(job.id, job.owner), Running)
        asked = here.checks
        await until(lambda: here.checks > asked + 5)
        # A place that was free may have taken one more; what would only wait, too, is not drawn.
        assert len(here.triton.orders) <= 2
        assert 1 <= unstored() <= 2
        async with running(store, tmp_path):
            for each in [job, *later]:
                view = await here.until(each, Reviewing, Failed, TimedOut)
                assert isinstance(view, Reviewing)
                assert (tmp_path / "s3" / "buckets" / BUCKET / view.picture.key).stat().st_size
        assert len(here.triton.orders) == 5
        assert unstored() == 0
    assert caplog.text.count("pictures wait for their store: IMGEN_S3_ENDPOINT: nothing answers there") == 1
    assert caplog.text.count("pictures wait for their store: works again") == 1


@pytest.mark.s3
async def test_store_that_goes_away_between_two_pictures_costs_neither(
    redis: "Redis", tmp_path: Path, store: SystemPart, caplog: pytest.LogCaptureFixture
) -> None:
    async with s3_shop(redis, tmp_path, store) as here:
        async with running(store, tmp_path):
            await here.until(await here.order(), Reviewing)
        job = await here.order()
        await until(lambda: waits(caplog))
        async with running(store, tmp_path):
            await here.until(job, Reviewing)
        assert len(here.triton.orders) == 2


@pytest.mark.s3
async def test_wrong_secret_has_no_job_drawn_twice_and_ends_it_at_its_deadline(
    redis: "Redis",
    tmp_path: Path,
    store: SystemPart,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
    quick = {"job_deadline_s": 6.0, "job_lease_s": 0.5, "job_attempts": 4}
    async with running(store, tmp_path), s3_shop(redis, tmp_path, store, **quick) as here:
        await here.until(await here.order(), TimedOut)
        assert len(here.triton.orders) == 1
    assert "pictures wait for their store: AWS_SECRET_ACCESS_KEY: " in caplog.text
    assert "another-secret" not in caplog.text


async def test_picture_that_waits_for_room_on_the_disk_is_stored_when_there_is_some(
    redis: "Redis", tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with small_disk(tmp_path / "disk", mib=32) as disk:
        async with shop(redis, disk.folder, job_attempts=1) as here:
            here.triton.gate.clear()
            job = await here.order()
            await here.until(job, Running)
            disk.fill()
            here.triton.gate.set()
            await until(lambda: waits(caplog))
            disk.free()
            view = await here.until(job, Reviewing, Failed)
            assert isinstance(view, Reviewing) and (disk.folder / "files" / view.picture.key).exists()
            assert len(here.triton.orders) == 1
    assert "IMGEN_DATA_DIR: no picture can be stored there: No space left on device" in caplog.text


@pytest.mark.s3
async def test_job_whose_picture_waits_can_be_cancelled(
    redis: "Redis", tmp_path: Path, store: SystemPart, caplog: pytest.LogCaptureFixture
) -> None:
    async with s3_shop(redis, tmp_path, store, workers=1, job_lease_s=1.0) as here:
        job = await here.order()
        await until(lambda: waits(caplog))
        await here.jobs.cancel(job.id, job.owner)
        await until(lambda: unstored() == 0)
        async with running(store, tmp_path):
            await here.until(await here.order(), Reviewing)  # its place is free
            assert isinstance(await here.jobs.read(job.id, job.owner), Cancelled)


@pytest.mark.s3
async def test_server_that_stops_gives_a_job_whose_picture_waits_back_uncharged(
    redis: "Redis", tmp_path: Path, store: SystemPart, caplog: pytest.LogCaptureFixture
) -> None:
    async with s3_shop(redis, tmp_path, store) as here:
        job = await here.order()
        await until(lambda: waits(caplog))
        await here.workers.stop()
        assert isinstance(await here.jobs.read(job.id, job.owner), Queued)
    async with running(store, tmp_path), s3_shop(redis, tmp_path, store) as here:
        await here.until(job, Reviewing)


class Picky(LocalStorage):
    """Stores whatever it is given but pictures."""

    tried = 0

    async def put(self, key: str, data: bytes, media_type: str) -> str:
        self.tried += 1
        raise StorageError("folder put: something is wrong with this picture")


async def test_picture_that_the_store_does_not_take_beside_others_is_tried_so_often(
    redis: "Redis", tmp_path: Path
) -> None:
    storage = Picky(tmp_path / "files", Signer(bytes(32)), "http://127.0.0.1:8080", 60)
    async with shop(redis, tmp_path, job_attempts=2, storage=storage) as here:
        job: Job = await here.order()
        await here.until(job, Failed)
        assert len(here.triton.orders) == 2
        assert storage.tried == 2 * 2 * 4  # starts, files, tries
