"""What asking for readiness costs the other parts."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from frontend.common.probe import FRESH_S, Probe
from frontend.http.health import Health, Readiness
from tests.api.harness import api

if TYPE_CHECKING:
    from redis.asyncio import Redis


async def test_many_who_ask_at_once_are_one_question_for_the_other_parts() -> None:
    asked = 0
    works = True

    async def probe() -> bool:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.01)
        return works

    flag = True
    health = Health(version="1", probes={"part": Probe(probe)}, flags={"own": lambda: flag}, warnings=list)
    told = await asyncio.gather(*(health.check() for _ in range(50)))
    assert told == [Readiness({"part": True, "own": True}, {})] * 50
    assert asked == 1
    works = flag = False
    assert await health.check() == Readiness({"part": True, "own": False}, {})
    async with asyncio.timeout(10):
        while (await health.check()).parts["part"]:
            await asyncio.sleep(FRESH_S / 10)


async def test_one_who_goes_away_leaves_the_question_to_the_others() -> None:
    go = asyncio.Event()
    health = Health(version="1", probes={"part": Probe(go.wait)}, flags={}, warnings=list)
    first, second = asyncio.create_task(health.check()), asyncio.create_task(health.check())
    await asyncio.sleep(0)
    first.cancel()
    go.set()
    assert await second == Readiness({"part": True}, {})


async def test_strangers_who_ask_for_readiness_make_no_work_for_the_reviewer(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, workers=0) as server:

        async def ready() -> bool:
            async with server.http.get(f"{server.url}/readyz") as response:
                return bool((await response.json())["parts"]["acs"])

        assert all(await asyncio.gather(*(ready() for _ in range(60))))
        assert server.acs.probed <= 2
