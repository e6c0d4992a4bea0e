"""What one key may ask in a time, over HTTP and over several servers."""

import asyncio
import re
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from frontend.keys.api_keys import Keys, KeyTerms
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


async def test_answers_tell_what_is_left_of_the_limits_that_they_count_in(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, workers=0, key_verify_per_minute=2) as server:
        _, slow = await Keys(redis).create("slow", terms=KeyTerms(rate=0.01))
        first, _, third = [await quotas(server, server.key, "verify") for _ in range(3)]
        policy, (of_all, of_verify), later = first
        assert (policy, later) == ('"requests";q=1600;w=2, "verifications";q=2;w=60', "")
        assert of_all[:2] in {("requests", left) for left in (1599, 1600)}  # 800 come back in a second
        assert of_verify == ("verifications", 1, 30)
        policy, ((name, left, reset_s),), later = third
        assert (policy, name, left, later) == ('"verifications";q=2;w=60', "verifications", 0, str(reset_s))
        assert 1 <= reset_s <= 30  # a token comes back in half a minute
        own = '"requests";q=1;w=100'
        assert await quotas(server, slow, "models") == (own, [("requests", 0, 100)], "")
        policy, ((name, left, reset_s),), later = await quotas(server, slow, "models")
        assert (policy, name, left, later) == (own, "requests", 0, str(reset_s))


async def quotas(server: Api, key: str, action: str) -> tuple[str, list[tuple[str, int, int]], str]:
    """What an answer's RateLimit-Policy, RateLimit and Retry-After say."""
    headers = {"Authorization": f"Bearer {key}"}
    async with server.http.post(f"{server.url}/api/v2", json={"action": action}, headers=headers) as response:
        told = re.findall(r'"(\w+)";r=(\d+);t=(\d+)', response.headers["RateLimit"])
        left = [(name, int(count), int(reset_s)) for name, count, reset_s in told]
        return response.headers["RateLimit-Policy"], left, response.headers.get("Retry-After", "")


async def test_page_of_another_origin_may_read_what_is_left(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, workers=0) as server:
        sent = {"Authorization": f"Bearer {server.key}", "Origin": "https://shop.example"}
        async with server.http.post(
            f"{server.url}/api/v2", json={"action": "models"}, headers=sent
        ) as response:
            exposed = response.headers["Access-Control-Expose-Headers"].split(", ")
            assert {"RateLimit", "RateLimit-Policy", "Retry-After"} <= set(exposed)


async def test_all_unfinished_jobs_can_be_polled_every_second_by_default(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, workers=0) as server:
        jobs = [(await server.generate())["id"] for _ in range(server.settings.key_jobs_limit)]
        for _ in range(4):  # faster than once a second
            found = await asyncio.gather(*(server.status(job) for job in jobs))
            assert {state["status"] for state in found} == {"IN_QUEUE"}
