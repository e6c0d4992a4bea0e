"""`Prefer: wait` on `generate`: the end of the job where it comes in time, else the usual answer."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from contract.redis_keys import WAITING
from frontend.jobs.store import JobStore
from frontend.keys.api_keys import Keys
from tests.api.harness import PROMPT, Api, api
from tests.api.streams import PATIENCE_S
from tests.fakes import UNSAFE
from tests.lossy_redis import wired

GENERATE = {"action": "generate", "prompt": PROMPT}
USUAL = {"id", "prompt", "model", "format", "gen_id"}


async def ordered(
    server: Api, wait: str = "wait=60", **fields: Any
) -> tuple[dict[str, Any], Mapping[str, str]]:
    headers = {"Authorization": f"Bearer {server.key}", "Prefer": wait}
    async with server.http.post(
        f"{server.url}/api/v2", json={**GENERATE, **fields}, headers=headers
    ) as response:
        assert response.status == 200
        return await response.json(), response.headers


async def test_end_that_comes_in_time_is_the_answer(server: Api) -> None:
    answer, headers = await ordered(server)
    assert headers["Preference-Applied"] == "wait=60"
    polled = await server.status(answer["meta"]["id"])
    assert {**answer["meta"], "images": None} == {**polled["meta"], "images": None}
    async with server.http.get(answer["meta"]["images"][0]["url"]) as picture:
        assert picture.status == 200
    assert len(server.acs.reviews) == 1


async def test_blocked_picture_has_no_plain_url(server: Api) -> None:
    server.acs.verdict = UNSAFE
    answer, _ = await ordered(server, "wait=30")
    assert set(answer) == {"status", "compliance", "error", "filter_categories", "unsafe_url"}


async def test_order_that_is_repeated_waits_for_the_first_one(server: Api) -> None:
    one, two = await asyncio.gather(*(ordered(server, idempotency_key="once") for _ in range(2)))
    assert one[0]["meta"]["id"] == two[0]["meta"]["id"]
    assert len(server.triton.orders) == 1


async def test_usual_answer_comes_when_the_time_is_over(server: Api) -> None:
    server.triton.gate.clear()
    answer, headers = await ordered(server, "wait=1")
    assert set(answer) == USUAL
    assert "Preference-Applied" not in headers
    server.triton.gate.set()
    assert (await server.until(answer["id"]))["status"] == "COMPLETED"


@pytest.mark.parametrize("wait", ["wait=0", "respond-async", "wait=soon"])
async def test_what_asks_for_no_wait_is_answered_at_once(shared: Api, wait: str) -> None:
    answer, headers = await ordered(shared, wait)
    assert set(answer) == USUAL and "Preference-Applied" not in headers


async def test_only_orders_wait(server: Api) -> None:
    server.triton.gate.clear()
    job = await server.generate()
    status, answer = await server.post({"action": "status", "id": job["id"]}, Prefer="wait=60")
    assert (status, answer["status"]) in ((200, "IN_QUEUE"), (200, "IN_PROGRESS"))


async def test_nobody_waits_where_no_seat_is_left_or_the_server_stops(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, workers=0, key_streams_limit=1) as server:
        with server.services.seats.seat((await Keys(redis).all())[0].id):
            answer, _ = await ordered(server)
            assert set(answer) == USUAL
        waiting = asyncio.create_task(ordered(server))
        await until_waiting(server, 1)
        server.services.watch.close()
        answer, headers = await waiting
        assert set(answer) == USUAL and "Preference-Applied" not in headers


async def test_wait_outlives_a_redis_that_is_away(redis_url: str, redis: "Redis", tmp_path: Path) -> None:
    async with wired(redis_url, tmp_path) as (wire, client):
        near = f"unix://{client.connection_pool.connection_kwargs['path']}"
        async with api(near, tmp_path / "server", workers=0) as server:
            waiting = asyncio.create_task(ordered(server))
            await until_waiting(server, 1)
            found: Any = await redis.zrange(WAITING, 0, 0)
            wire.cut()
            elsewhere = JobStore(redis, server.settings)  # another server's, which is not cut off
            assert await elsewhere.cancel(found[0].decode(), (await Keys(redis).all())[0].id)
            wire.mend()
            answer, headers = await waiting
    assert answer == {"status": "CANCELLED"} and headers["Preference-Applied"] == "wait=60"


async def until_waiting(server: Api, count: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while server.services.seats.taken != count:
            await asyncio.sleep(0.02)


async def test_client_that_goes_away_gives_its_seat_back_and_its_order_stands(server: Api) -> None:
    server.triton.gate.clear()
    headers = {"Authorization": f"Bearer {server.key}", "Prefer": "wait=60"}
    async with aiohttp.ClientSession() as http:
        asked = asyncio.create_task(http.post(f"{server.url}/api/v2", json=GENERATE, headers=headers))
        await until_waiting(server, 1)
        asked.cancel()
        await until_waiting(server, 0)
    server.triton.gate.set()
    async with asyncio.timeout(PATIENCE_S):
        while len(server.triton.orders) != 1:
            await asyncio.sleep(0.02)


async def test_key_that_is_disabled_meanwhile_is_told_no_link(server: Api) -> None:
    server.triton.gate.clear()
    waiting = asyncio.create_task(ordered(server))
    await until_waiting(server, 1)
    await Keys(server.redis).disable("test")
    server.triton.gate.set()
    answer, _ = await waiting
    assert set(answer) == USUAL
