"""No verdict, no URL: whatever the reviewer does, and however many ask."""

import asyncio
import hashlib
import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from redis.asyncio import Redis

from frontend.review.reviews import REST_S
from tests.api.harness import Api, api
from tests.fakes import AcsAnswer

Verdict = dict[str, object]


async def errors(verdict: Verdict) -> web.StreamResponse:
    return web.json_response(verdict, status=500)


async def unknown_ruleset(verdict: Verdict) -> web.StreamResponse:
    return web.json_response({"error": "unknown ruleset"}, status=422)


async def garbage(verdict: Verdict) -> web.StreamResponse:
    return web.Response(text="safe", content_type="application/json")


async def wrong_word(verdict: Verdict) -> web.StreamResponse:
    return web.json_response({**verdict, "compliance": "SAFE"})


async def safe_but_flagged(verdict: Verdict) -> web.StreamResponse:
    return web.json_response({**verdict, "codes": ["r1"], "categories": [{"id": "x", "name": "X"}]})


async def on_no_bytes(verdict: Verdict) -> web.StreamResponse:
    return web.json_response({name: value for name, value in verdict.items() if name != "sha256"})


async def on_other_bytes(verdict: Verdict) -> web.StreamResponse:
    return web.json_response({**verdict, "sha256": "0" * 64})


async def said_twice(verdict: Verdict) -> web.StreamResponse:
    twice = json.dumps(verdict).replace("{", '{"compliance": "unsafe", ', 1)
    return web.Response(text=twice, content_type="application/json")


async def hangs(verdict: Verdict) -> web.StreamResponse:
    await asyncio.sleep(30)
    return web.json_response(verdict)


async def late(verdict: Verdict) -> web.StreamResponse:
    await asyncio.sleep(0.6)
    return web.json_response(verdict)


async def slow(verdict: Verdict) -> web.StreamResponse:
    await asyncio.sleep(0.3)
    return web.json_response(verdict)


BAD = [
    *(errors, unknown_ruleset, garbage, wrong_word, safe_but_flagged),
    *(on_no_bytes, on_other_bytes, said_twice, hangs, late),
]


@pytest.mark.parametrize("answer", BAD)
async def test_no_verdict_leaves_no_url_and_fails_at_the_deadline(
    redis: "Redis", redis_url: str, tmp_path: Path, answer: AcsAnswer
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
    texts = {"cs_author": "A studio", "cs_description": "Seen from the hill", "cs_title": "Reading"}
    job = await server.generate(compliance_ruleset="strict", precompliance="score=0.04", **texts)
    meta = (await server.until(job["id"]))["meta"]
    sent = server.acs.reviews[0]
    assert sent.pop("image_url") != ""
    assert sent == {
        "gen_id": job["gen_id"],
        "ruleset": "strict",
        "prompt": job["prompt"],
        "positive": meta["positive"],
        "drawn": meta["drawn"],
        "negative": meta["negative"],
        "character": "aya",
        "depicts": "nonhuman",
        "texts": {
            "author": "A studio",
            "title": "Reading",
            "description": "Seen from the hill",
            "vendor": server.settings.cs_vendor,
        },
        "watermark": 0.0,
        "sha256": hashlib.sha256(server.acs.pictures[0]).hexdigest(),
        "bytes": len(server.acs.pictures[0]),
        "model": "eros",
        "precompliance": "score=0.04",
    }


async def test_picture_that_was_exchanged_after_its_review_is_not_handed_out(server: Api) -> None:
    images = (await server.finished())["meta"]["images"]
    (folder,) = (server.settings.data_dir / "files").glob("pictures/*/*/*/*/*")
    for image in images:
        (folder / image["filename"]).write_bytes(b"another picture")
        async with server.http.get(image["url"]) as response:
            assert (response.status, await response.json()) == (404, {"error": "Not found"})


async def test_polls_of_a_picture_without_a_verdict_ask_the_reviewer_once_a_second(server: Api) -> None:
    server.acs.answer = errors
    job = await server.generate()
    async with asyncio.timeout(30):
        while not server.acs.reviews:
            await server.status(job["id"])
    began, before = time.monotonic(), len(server.acs.reviews)
    for _ in range(60):
        assert (await server.status(job["id"]))["status"] == "IN_PROGRESS"
    assert len(server.acs.reviews) - before <= 1 + (time.monotonic() - began) / REST_S
    server.acs.answer = None
    assert (await server.until(job["id"]))["meta"]["compliance"] == "safe"
