"""Polling: the published shapes, who may poll, and what stands behind a URL."""

import asyncio
import base64
import hashlib
import io
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from redis.asyncio import Redis

from frontend.domain.inference_error import FailureScope, InferenceError
from frontend.keys.api_keys import Keys, KeyTerms
from tests.api.harness import PROMPT, Api, api
from tests.fakes import UNSAFE

# Every field of the published example.
META = set(
    """
    id gen_id time prompt positive negative character model style width height format quality lossless
    optimized compliance compliance_codes compliance_ruleset precompliance fingerprint images
    enable_invisimark enable_c2pa compute_pdq wm_position wm_scale wm_transparency cs_author cs_title
    """.split()  # noqa: SIM905
)


async def test_finished_job_has_every_published_field(server: Api) -> None:
    job = await server.generate()
    state = await server.until(job["id"])
    meta = state["meta"]
    assert set(state) == {"status", "meta"}
    assert META <= set(meta)
    assert (meta["id"], meta["gen_id"], meta["prompt"]) == (job["id"], job["gen_id"], job["prompt"])
    assert (meta["compliance"], meta["compliance_codes"]) == ("safe", [])
    assert [image["type"] for image in meta["images"]] == ["signed", "thumbnail"]
    assert meta["weights"] == {"engine": "e" * 64}
    assert meta["runtime"] == "openvino 2026.4.1 f32"
    assert (meta["sampler"], meta["spacing"]) == ("euler", "leading") and meta["guidance"] > 0
    assert meta["enable_invisimark"] is True
    assert set(meta["timings"]) >= {"queue", "denoise", "decode", "finish", "review"}
    assert datetime.fromisoformat(meta["time"]).tzinfo is not None


async def test_urls_are_fresh_at_every_poll_and_lead_to_the_reviewed_bytes(server: Api) -> None:
    state = await server.finished()
    again = await server.status(state["meta"]["id"])
    assert len(server.acs.reviews) == 1
    for poll in (state, again):
        async with server.http.get(poll["meta"]["images"][0]["url"]) as response:
            data = await response.read()
        assert hashlib.sha256(data).digest() == hashlib.sha256(server.acs.pictures[0]).digest()
    async with server.http.get(state["meta"]["images"][1]["url"]) as response:
        assert max(Image.open(io.BytesIO(await response.read())).size) < 1344


@pytest.mark.parametrize(
    "job_id",
    [None, 5, "", "run_", "run_short", "run_" + "a" * 20, "run_../../../etc/passwd", "x" * 10_000, ["a"]],
)
async def test_bad_ids_are_all_alike(shared: Api, job_id: Any) -> None:
    assert await shared.post({"action": "status", "id": job_id}) == (400, {"error": "Bad ID"})
    assert await shared.post({"action": "cancel", "id": job_id}) == (400, {"error": "Bad ID"})


async def test_another_keys_job_is_a_bad_id(server: Api) -> None:
    job = await server.generate()
    _, other = await Keys(server.redis).create("other")
    stranger = replace(server, key=other)
    for action in ("status", "cancel"):
        assert await stranger.post({"action": action, "id": job["id"]}) == (400, {"error": "Bad ID"})


async def test_queue_and_progress_are_told(redis: "Redis", redis_url: str, tmp_path: Path) -> None:
    async with api(redis_url, tmp_path, workers=1) as server:
        server.triton.gate.clear()
        first, second, third = [await server.generate() for _ in range(3)]
        state = await server.until(first["id"], "IN_PROGRESS")
        assert 0 <= state["progress"] < 1
        waiting = [await server.status(job["id"]) for job in (second, third)]
        assert [state["queue_position"] for state in waiting] == [1, 2]
        assert waiting[0] == {"status": "IN_QUEUE", "progress": 0.0, "queue_position": 1}
        server.triton.gate.set()
        assert (await server.until(third["id"]))["status"] == "COMPLETED"


async def test_blocked_picture_has_no_plain_url(server: Api) -> None:
    server.acs.verdict = UNSAFE
    state = await server.finished()
    assert set(state) == {"status", "compliance", "error", "filter_categories", "unsafe_url"}
    assert (state["status"], state["compliance"]) == ("COMPLETED", "unsafe")
    assert state["error"] == "Content blocked — flagged for: Weapons, Gore."
    assert state["filter_categories"] == ["weapons", "gore"]
    url = base64.b64decode(state["unsafe_url"]).decode()
    async with server.http.get(url) as response:
        assert response.status == 200


@pytest.mark.parametrize("category", ["minors", "sexual/minors", "ChildSafety", "csam"])
async def test_picture_that_the_minors_rule_blocked_has_no_url_at_all(server: Api, category: str) -> None:
    flagged = [{"id": "weapons", "name": "Weapons"}, {"id": category, "name": "Blocked"}]
    server.acs.verdict = UNSAFE | {"categories": flagged}
    state = await server.finished()
    assert set(state) == {"status", "compliance", "error", "filter_categories"}
    assert state["filter_categories"] == ["weapons", category]


async def test_key_made_without_it_is_told_no_url_of_a_blocked_picture(server: Api) -> None:
    server.acs.verdict = UNSAFE
    _, secret = await Keys(server.redis).create("shop", terms=KeyTerms(unsafe_url=False))
    state = await replace(server, key=secret).finished()
    assert set(state) == {"status", "compliance", "error", "filter_categories"}
    assert "unsafe_url" in await server.finished()


async def test_job_that_cannot_be_drawn_fails(redis: "Redis", redis_url: str, tmp_path: Path) -> None:
    async with api(redis_url, tmp_path) as server:
        server.triton.failures = [InferenceError("no such model", FailureScope.ORDER)]
        assert await server.finished() == {"status": "FAILED", "error": "Generation failed"}
        assert len(server.triton.orders) == 1


async def test_triton_that_is_away_for_a_moment_costs_no_attempt(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, job_attempts=1) as server:
        server.triton.failures = [InferenceError("connection refused", FailureScope.SERVERS)]
        assert (await server.finished())["status"] == "COMPLETED"


async def test_deadline_ends_a_job_and_stops_its_work(redis: "Redis", redis_url: str, tmp_path: Path) -> None:
    async with api(redis_url, tmp_path, job_deadline_s=1.0, job_lease_s=0.5) as server:
        server.triton.gate.clear()
        state = await server.finished()
        assert state == {"status": "TIMED_OUT", "error": "Generation timed out"}
        async with asyncio.timeout(10):
            while not server.triton.cancelled:
                await asyncio.sleep(0.02)


async def test_cancel_stops_the_work_and_frees_the_slot(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, workers=1, job_lease_s=0.5) as server:
        server.triton.gate.clear()
        job, waiting = await server.generate(), await server.generate()
        await server.until(job["id"], "IN_PROGRESS")
        assert await server.post({"action": "cancel", "id": job["id"]}) == (200, {"status": "CANCELLED"})
        assert await server.status(job["id"]) == {"status": "CANCELLED"}
        assert (await server.until(waiting["id"], "IN_PROGRESS"))["status"] == "IN_PROGRESS"
        assert server.triton.cancelled == 1
        server.triton.gate.set()
        await server.until(waiting["id"])
        status, body = await server.post({"action": "cancel", "id": waiting["id"]})
        assert status == 409 and "error" in body


async def test_prompt_and_model_of_a_poll_are_ignored(server: Api) -> None:
    job = await server.generate()
    status, _ = await server.post({"action": "status", "id": job["id"], "prompt": 5, "model": [PROMPT]})
    assert status == 200
