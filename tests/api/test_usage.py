"""What a key has used and may use, over HTTP."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from frontend.keys.api_keys import Keys, KeyTerms, Priority
from frontend.keys.usage import today
from tests.api.harness import PROMPT, Api, api
from tests.fakes import UNSAFE


async def told(server: Api, **fields: object) -> dict[str, Any]:
    status, answer = await server.post({"action": "usage", **fields})
    assert status == 200, answer
    return answer


async def test_key_is_told_what_it_has_used_and_another_is_not(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path) as server:
        assert await told(server) == {
            "total": dict.fromkeys(("jobs", "pictures", "blocked", "cached", "engine_ms", "bytes"), 0),
            "days": [],
            "limits": {"priority": "normal"},
        }
        first = await server.finished(prompt="a red car on the beach")
        second = await server.finished(prompt="a lighthouse at night")
        await server.finished(prompt="a lighthouse at night", use_cache=True, cache_only=True)
        server.acs.verdict = UNSAFE
        blocked = await server.finished(prompt="a green boat")
        assert blocked["compliance"] == "unsafe"
        size, engine_ms = 0, 0.0
        for state in (first, second):
            async with server.http.get(state["meta"]["images"][0]["url"]) as response:
                size += len(await response.read())
            timings = state["meta"]["timings"]
            engine_ms += sum(timings.get(part, 0.0) for part in ("encode", "denoise", "decode"))
        answer = await told(server, days=1)
        total = answer["total"]
        assert (total["jobs"], total["pictures"], total["blocked"], total["cached"]) == (4, 3, 1, 1)
        assert total["bytes"] > size and total["engine_ms"] >= int(engine_ms)
        assert answer["days"] == [{**total, "day": today().isoformat()}]
        _, other = await Keys(redis).create("other")
        _, answer = await server.post({"action": "usage"}, Authorization=f"Bearer {other}")
        assert answer["total"]["jobs"] == 0 and answer["days"] == []
        async with server.http.get(f"{server.url}/metrics") as response:
            page = await response.text()
        assert 'imgen_used{measure="pictures"} 3.0' in page


async def test_limits_of_the_key_are_told(redis: "Redis", redis_url: str, tmp_path: Path) -> None:
    async with api(redis_url, tmp_path, workers=0) as server:
        terms = {"rate": 50.0, "daily": 9, "concurrent": 2, "priority": Priority.BATCH}
        await Keys(redis).set("test", terms)
        assert (await told(server))["limits"] == terms
        for wrong in (0, 401, "7"):
            status, answer = await server.post({"action": "usage", "days": wrong})
            assert (status, answer["error"]) == (400, "Invalid days: expected integer 1 to 400")


async def test_order_over_a_limit_is_refused_with_the_limits_name_and_its_end(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, workers=0) as server:
        _, key = await Keys(redis).create("small", terms=KeyTerms(daily=2, monthly=5))
        order = {"action": "generate", "prompt": PROMPT}
        seen = [await ask(server, key, order) for _ in range(3)]
        assert [status for status, *_ in seen] == [200, 200, 429]
        for left, (_, headers, _) in zip((1, 0), seen[:2], strict=True):
            assert '"daily";q=2;w=86400, "monthly";q=5;w=' in headers["RateLimit-Policy"]
            assert f'"daily";r={left};t=' in headers["RateLimit"]
            assert f'"monthly";r={left + 3};t=' in headers["RateLimit"]
        _, headers, answer = seen[2]
        assert answer == {
            "error": "Daily limit of jobs is reached",
            "detail": "This key may order 2 jobs a day (UTC)",
        }
        assert headers["RateLimit"] == f'"daily";r=0;t={headers["Retry-After"]}'
        assert 0 < int(headers["Retry-After"]) <= 86_400
        await Keys(redis).set("small", {"daily": 0, "monthly": 2})
        _, headers, answer = await ask(server, key, order)
        assert answer["error"] == "Monthly budget of pictures is used up"
        assert headers["Retry-After"] == "5"  # two are ordered, and may yet fail
        assert (await server.post(order))[0] == 200


async def ask(server: Api, key: str, body: dict[str, str]) -> tuple[int, Mapping[str, str], dict[str, str]]:
    headers = {"Authorization": f"Bearer {key}"}
    async with server.http.post(f"{server.url}/api/v2", json=body, headers=headers) as response:
        return response.status, response.headers, await response.json()
