"""No verdict, no URL: whatever the reviewer does, and however many ask."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from redis.asyncio import Redis

from tests.api.harness import Api, api
from tests.fakes import SAFE


async def errors() -> web.StreamResponse:
    return web.json_response(SAFE, status=500)


async def unknown_ruleset() -> web.StreamResponse:
    return web.json_response({"error": "unknown ruleset"}, status=422)


async def garbage() -> web.StreamResponse:
    return web.Response(text="safe", content_type="application/json")


async def wrong_word() -> web.StreamResponse:
    return web.json_response({**SAFE, "compliance": "SAFE"})


async def safe_but_flagged() -> web.StreamResponse:
    return web.json_response({**SAFE, "codes": ["r1"], "categories": [{"id": "x", "name": "X"}]})


async def hangs() -> web.StreamResponse:
    await asyncio.sleep(30)
    return web.json_response(SAFE)


async def late() -> web.StreamResponse:
    await asyncio.sleep(0.6)
    return web.json_response(SAFE)


BAD = [errors, unknown_ruleset, garbage, wrong_word, safe_but_flagged, hangs, late]
Answer = Callable[[], Awaitable[web.StreamResponse]]


@pytest.mark.parametrize("answer", BAD)
async def test_no_verdict_leaves_no_url_and_fails_at_the_deadline(
    redis: "Redis", redis_url: str, tmp_path: Path, answer: Answer
) -> None:
    async with api(redis_url, tmp_path, acs_timeout_s=0.3) as server:
        server.acs.answer = answer
        job = await server.generate()
        seen = []
        async with asyncio.timeout(30):
            while (state := await server.status(job["id"]))["status"] not in ("FAILED", "COMPLETED"):
                seen.append(state)
                if len(server.acs.reviews) >= 2:
                    await redis.hset(f"imgen:job:{job['id']}", "deadline", 1)
                await asyncio.sleep(0.02)
        assert state == {"status": "FAILED", "error": "Compliance review unavailable"}
        assert all("http" not in str(poll) for poll in seen)
        assert len(server.acs.reviews) >= 2  # asked again by later polls


async def test_reviewer_that_comes_back_is_asked_again(server: Api) -> None:
    server.acs.answer = errors
    job = await server.generate()
    async with asyncio.timeout(30):
        while not server.acs.reviews:
            await server.status(job["id"])
            await asyncio.sleep(0.02)
    assert (await server.status(job["id"]))["status"] == "IN_PROGRESS"
    server.acs.answer = None
    assert (await server.until(job["id"]))["status"] == "COMPLETED"


async def test_nothing_is_reviewed_before_a_poll(server: Api) -> None:
    job = await server.generate()
    async with asyncio.timeout(30):
        while await server.redis.hget(f"imgen:job:{job['id']}", "state") != b"REVIEWING":
            await asyncio.sleep(0.02)
    later = await server.generate()  # by whose end the first one's review would have begun
    async with asyncio.timeout(30):
        while await server.redis.hget(f"imgen:job:{later['id']}", "state") != b"REVIEWING":
            await asyncio.sleep(0.02)
    assert server.acs.reviews == []


async def test_polls_at_the_same_time_on_two_frontends_share_one_review(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async def slow() -> web.StreamResponse:
        await asyncio.sleep(0.3)
        return web.json_response(SAFE)

    async with api(redis_url, tmp_path) as one, api(redis_url, tmp_path) as two:
        one.acs.answer = two.acs.answer = slow
        job = await one.generate()
        as_one = replace(two, key=one.key)
        async with asyncio.timeout(30):
            while True:
                polls = [server.status(job["id"]) for server in (one, as_one) for _ in range(8)]
                states = {state["status"] for state in await asyncio.gather(*polls)}
                if "COMPLETED" in states:
                    break
        assert len(one.acs.reviews) + len(two.acs.reviews) == 1


async def test_review_goes_on_when_the_poller_leaves(server: Api) -> None:
    async def slow() -> web.StreamResponse:
        await asyncio.sleep(0.3)
        return web.json_response(SAFE)

    server.acs.answer = slow
    job = await server.generate()
    async with asyncio.timeout(30):
        while not server.acs.reviews:
            poll = asyncio.create_task(server.status(job["id"]))
            await asyncio.wait([poll], timeout=0.05)
            poll.cancel()
    assert (await server.until(job["id"]))["status"] == "COMPLETED"
    assert len(server.acs.reviews) == 1


async def test_reviewer_is_told_everything_of_the_contract(server: Api) -> None:
    job = await server.generate(compliance_ruleset="strict", precompliance="score=0.04")
    meta = (await server.until(job["id"]))["meta"]
    sent = server.acs.reviews[0]
    assert sent.pop("image_url") != ""
    assert sent == {
        "gen_id": job["gen_id"],
        "ruleset": "strict",
        "prompt": job["prompt"],
        "positive": meta["positive"],
        "negative": meta["negative"],
        "character": "aya",
        "model": "eros",
        "precompliance": "score=0.04",
    }
