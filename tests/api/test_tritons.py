"""Two real Tritons behind the API: what is drawn while one of them hangs, and who loads a character."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from contract.names import MODEL_CONTROL
from contract.redis_keys import JOB_PREFIX
from frontend.drawing import open_inference
from frontend.inference.client import Inference
from frontend.settings import Settings
from tests.api.harness import FINAL, api
from tests.fakes import FakeTriton
from tests.orders import ignore, order
from tests.triton_server import RunningTriton, serving_triton

PATIENCE_S = 240.0
SMALL = {"width": 1024, "height": 1024, "steps": 3}


class RealTritons(FakeTriton):
    """Those that the settings tell, in the fake's place."""

    @contextlib.asynccontextmanager
    async def opened(self, settings: Settings) -> AsyncIterator[Inference]:  # type: ignore[override]
        async with open_inference(settings) as inference:
            yield inference


@pytest.fixture(scope="module")
def second_triton(
    demo_repositories: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningTriton]:
    with serving_triton(demo_repositories, tmp_path_factory.mktemp("second_triton")) as running:
        yield running


def figure(name: str, triton: RunningTriton) -> float:
    return REGISTRY.get_sample_value(f"imgen_triton_{name}", {"triton": triton.url}) or 0.0


@contextlib.contextmanager
def hanging(triton: RunningTriton) -> Iterator[None]:
    os.kill(triton.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(triton.pid, signal.SIGCONT)


async def test_triton_that_hangs_costs_no_job_more_than_one_start_elsewhere(
    redis: "Redis",
    redis_url: str,
    tmp_path: Path,
    demo_triton: RunningTriton,
    second_triton: RunningTriton,
) -> None:
    both = (demo_triton, second_triton)
    urls = tuple(triton.url for triton in both)
    async with api(redis_url, tmp_path, triton=RealTritons(), triton_urls=urls) as server:
        jobs = [await server.generate(prompt=f"a lighthouse, {number} gulls", **SMALL) for number in range(4)]
        async with asyncio.timeout(PATIENCE_S):
            while not all(figure("orders", triton) for triton in both):
                await asyncio.sleep(0.01)
            with hanging(second_triton):
                lost = figure("orders", second_triton)
                while figure("alive", second_triton):
                    await asyncio.sleep(0.05)
                jobs.append(await server.generate(prompt="a harbour at dusk", **SMALL))
                for job in jobs:
                    while (state := await server.status(job["id"]))["status"] not in FINAL:
                        await asyncio.sleep(0.1)
                    assert state["status"] == "COMPLETED"
                    assert await redis.hget(f"{JOB_PREFIX}{job['id']}", "attempt") == b"1"
                assert lost and figure("failures_total", second_triton) >= lost
                assert not figure("orders", second_triton)
            while not figure("alive", second_triton):
                await asyncio.sleep(0.05)


async def test_character_is_drawn_where_it_is_loaded_by_servers_that_never_asked_for_it(
    demo_triton: RunningTriton, second_triton: RunningTriton
) -> None:
    aya = order(model="eros", character="aya", width=512, height=512)
    alone = Inference([second_triton.url], timeout_s=PATIENCE_S)
    await alone.text_to_image(aya, ignore)
    await alone.close()
    loads = f"{MODEL_CONTROL}: load eros-denoiser--aya"
    before = demo_triton.count(loads)
    fresh = Inference([demo_triton.url, second_triton.url], timeout_s=PATIENCE_S)
    told = await fresh.inventories()
    inventory = told[second_triton.url]
    assert inventory and inventory["eros"].loaded == {"aya"} and inventory["eros"].orders == 0
    if not (known := told[demo_triton.url]) or not known["eros"].loaded:
        await fresh.text_to_image(aya, ignore)
        assert demo_triton.count(loads) == before
    await fresh.close()


async def test_triton_tells_how_many_orders_it_works_on_whoever_sent_them(demo_triton: RunningTriton) -> None:
    one, other = (Inference([demo_triton.url], timeout_s=PATIENCE_S) for _ in range(2))
    begun = asyncio.Event()

    async def orders() -> int:
        inventory = (await other.inventories())[demo_triton.url]
        assert inventory and inventory["eros"].at_once == 16
        return inventory["eros"].orders

    async def note(share: float) -> None:
        begun.set()

    long = order(model="eros", width=1024, height=1024, steps=100)
    drawing = asyncio.create_task(one.text_to_image(long, note))
    async with asyncio.timeout(PATIENCE_S):
        await begun.wait()
        while await orders() != 1:  # more: of the tests before, which were given up
            await asyncio.sleep(0.05)
        drawing.cancel()
        while await orders():
            await asyncio.sleep(0.05)
    for client in (one, other):
        await client.close()
