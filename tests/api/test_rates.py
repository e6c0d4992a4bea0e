"""What one key may ask in a time, over HTTP and over several servers."""

import asyncio
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from frontend.actions import ACTIONS, RATE_CLASSES
from frontend.keys.api_keys import Keys
from tests.api.harness import Api, api


async def answers(server: Api, bodies: list[dict[str, Any]], key: str = "") -> list[tuple[int, str]]:
    """Status and Retry-After of each, asked one after the other."""
    found = []
    for body in bodies:
        headers = {"Authorization": f"Bearer {key or server.key}"}
        async with server.http.post(f"{server.url}/api/v2", json=body, headers=headers) as response:
            found.append((response.status, response.headers.get("Retry-After", "")))
    return found


async def test_key_is_stopped_at_its_rate_by_default_and_another_is_not(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, workers=0) as server:
        asked = await answers(server, [{"action": "verify"}] * 120)
        assert {status for status, _ in asked} == {400}
        async with asyncio.timeout(60):
            while (await answers(server, [{"action": "verify"}]))[0][0] != 429:
                pass
        _, other = await Keys(redis).create("other")
        assert (await answers(server, [{"action": "verify"}], other))[0][0] == 400
        assert (await answers(server, [{"action": "models"}]))[0][0] == 200


async def test_two_servers_let_in_together_what_one_would(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    few = {"workers": 0, "key_orders_per_minute": 10}
    async with api(redis_url, tmp_path, **few) as one, api(redis_url, tmp_path, **few) as other:
        codes = []
        for _ in range(8):
            for server in (one, other):
                codes += await answers(server, [{"action": "generate"}], one.key)
        assert codes[:10] == [(400, "")] * 10
        refused = [int(later) for status, later in codes[10:] if status == 429]
        assert refused and set(refused) <= set(range(1, 7))  # one comes back every six seconds
        assert await answers(other, [{"action": "status"}, {"action": "random"}], one.key) == [
            (400, ""),
            (200, ""),
        ]


async def test_all_unfinished_jobs_can_be_polled_every_second_by_default(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, workers=0) as server:
        jobs = [(await server.generate())["id"] for _ in range(server.settings.key_jobs_limit)]
        for _ in range(4):  # faster than once a second
            found = await asyncio.gather(*(server.status(job) for job in jobs))
            assert {state["status"] for state in found} == {"IN_QUEUE"}


def test_only_what_is_an_action_has_a_rate() -> None:
    assert set(RATE_CLASSES) <= set(ACTIONS)
