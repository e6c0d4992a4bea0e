"""/metrics counts what happened, whatever clients send, and while parts are away."""

import asyncio
import contextlib
import secrets
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from embedded.part import running
from embedded.redis import redis_part
from frontend.domain.inference_error import FailureScope, InferenceError
from frontend.settings import ROOT
from tests.api.harness import Api, api
from tests.fakes import UNSAFE
from tests.metrics_page import Samples, growth, read_page, samples_of

HOSTILE = 'zz"\n\\{}é'


async def figures(server: Api) -> Samples:
    return samples_of(await read_page(server.http, server.url))


def promtool(*arguments: str, page: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["promtool", *arguments], input=page, text=True, capture_output=True, check=False)


async def test_prometheus_own_check_finds_nothing_against_our_names(server: Api) -> None:
    await server.finished()
    page = await read_page(server.http, server.url)
    done = await asyncio.to_thread(promtool, "check", "metrics", page=page)
    assert [line for line in done.stderr.splitlines() if line.startswith("imgen_")] == []
    assert done.returncode in (0, 3), done.stderr  # 3: something of Python's own


async def test_every_metric_is_documented_as_it_tells_of_itself(shared: Api) -> None:
    document = (ROOT / "docs" / "metrics.md").read_text()
    families = [family for family in REGISTRY.collect() if family.name.startswith("imgen_")]
    rows = []
    for family in families:
        name = f"{family.name}_total" if family.type == "counter" else family.name
        rows.append(f"| `{name}` | {family.type} | {family.documentation} |")
    assert [row for row in rows if row not in document] == []
    assert document.count("| `imgen_") == len(rows)


async def test_job_is_followed_from_its_order_to_its_verdict(server: Api) -> None:
    before = await figures(server)
    assert (await server.finished())["status"] == "COMPLETED"
    server.acs.verdict = UNSAFE
    assert (await server.finished())["filter_categories"] == ["weapons", "gore"]
    grown = growth(before, await figures(server))
    assert grown['imgen_jobs_accepted_total{model="eros",source="drawn"}'] == 2
    assert grown['imgen_jobs_ended_total{outcome="completed"}'] == 1
    assert grown['imgen_jobs_ended_total{outcome="blocked"}'] == 1
    assert grown['imgen_attempts_total{outcome="made"}'] == 2
    for stage in ("wait", "encode", "denoise", "decode", "finish", "store"):
        assert grown[f'imgen_stage_seconds_count{{stage="{stage}"}}'] == 2
    assert grown['imgen_finishing_seconds_count{part="sign"}'] == 2
    for name in ("imgen_denoise_step_seconds", "imgen_picture_seconds"):
        assert grown[f"{name}_count"] == 2
    assert grown["imgen_picture_seconds_sum"] >= grown['imgen_stage_seconds_sum{stage="finish"}']
    assert grown['imgen_reviews_total{outcome="safe"}'] == grown['imgen_reviews_total{outcome="unsafe"}'] == 1
    assert grown["imgen_review_seconds_count"] == grown["imgen_poll_to_verdict_seconds_count"] == 2
    assert grown["imgen_poll_to_verdict_seconds_sum"] >= grown["imgen_review_seconds_sum"]
    assert grown['imgen_action_seconds_count{action="generate"}'] == 2
    assert grown['imgen_redis_script_seconds_count{script="made"}'] == 2


async def test_other_ends_are_told_apart(redis: "Redis", redis_url: str, tmp_path: Path) -> None:
    async with api(redis_url, tmp_path, workers=1) as server:
        before = await figures(server)
        server.triton.failures = [InferenceError("REFUSED: no", FailureScope.ORDER)]
        assert (await server.finished())["status"] == "FAILED"
        server.triton.gate.clear()
        job = await server.generate()
        await server.until(job["id"], "IN_PROGRESS")
        await server.post({"action": "cancel", "id": job["id"]})
        server.triton.gate.set()
        async with asyncio.timeout(30):
            while 'imgen_attempts_total{outcome="lost"}' not in (
                grown := growth(before, await figures(server))
            ):
                await asyncio.sleep(0.02)
    for outcome in ("failed", "cancelled"):
        assert grown[f'imgen_jobs_ended_total{{outcome="{outcome}"}}'] == 1
    assert grown['imgen_attempts_total{outcome="order"}'] == 1


async def test_job_past_its_deadline_is_counted_once(redis: "Redis", redis_url: str, tmp_path: Path) -> None:
    async with api(redis_url, tmp_path, workers=0, job_deadline_s=1.0) as server:
        before = await figures(server)
        job = await server.generate()
        waiting = await figures(server)
        assert waiting["imgen_jobs_waiting"] == 1
        await server.until(job["id"], "TIMED_OUT")
        after = await figures(server)
        assert growth(before, after)['imgen_jobs_ended_total{outcome="timed_out"}'] == 1
        assert after["imgen_jobs_oldest_waiting_seconds"] == after["imgen_jobs_waiting"] == 0


async def test_age_of_the_queue_is_that_of_its_oldest_job(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, workers=0) as server:
        await server.generate()
        await server.generate()
        async with asyncio.timeout(30):
            while (age := (await figures(server))["imgen_jobs_oldest_waiting_seconds"]) < 0.2:
                await asyncio.sleep(0.02)
        assert age < 30


async def test_picture_without_a_verdict_is_counted_when_its_time_is_over(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, job_deadline_s=3.0) as server:
        before = await figures(server)
        server.acs.verdict = {}
        assert (await server.finished())["error"] == "Compliance review unavailable"
        grown = growth(before, await figures(server))
    assert grown['imgen_jobs_ended_total{outcome="unjudged"}'] == 1
    assert grown['imgen_reviews_total{outcome="none"}'] >= 1
    assert 'imgen_reviews_total{outcome="safe"}' not in grown


async def test_part_that_an_operator_does_without_is_not_told_as_down(server: Api) -> None:
    before = await figures(server)
    assert before['imgen_part_up{part="acs"}'] == 1 and 'imgen_part_up{part="llm"}' not in before
    status, _ = await server.post({"action": "optimize", "prompt": "a tree"})
    assert status == 502
    grown = growth(before, await figures(server))
    assert grown['imgen_llm_answers_total{outcome="absent"}'] == 1


async def test_limit_is_named_by_what_the_client_is_told(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, workers=0, key_jobs_limit=1) as server:
        before = await figures(server)
        await server.generate()
        status, _ = await server.post({"action": "generate", "prompt": "a second tree"})
        grown = growth(before, await figures(server))
    assert status == 429
    assert grown['imgen_limits_hit_total{limit="too_many_unfinished_jobs_for_this_key"}'] == 1


async def test_nothing_that_clients_choose_becomes_a_series(server: Api) -> None:
    async def bother() -> None:
        """As clients do who send what they like: each time other words."""
        word = f"{HOSTILE}{secrets.token_hex(4)}"
        fields: dict[str, Any] = dict.fromkeys(
            ("model", "style", "size", "format", "compliance_ruleset", "precompliance", "prompt"), word
        )
        _, job = await server.post({"action": "generate", **fields, "idempotency_key": secrets.token_hex(8)})
        await server.until(job["id"])
        await server.post({"action": word, "prompt": word})
        await server.post({"action": "status", "id": word})
        await server.post({"action": "generate", "prompt": f"@{secrets.token_hex(4)} a tree"})
        path = f"/{secrets.token_hex(4)}"
        for method in ("GET", "POST", f"M{secrets.token_hex(4)}".upper()):
            async with server.http.request(
                method, f"{server.url}{path}", headers={"X-Request-ID": word[-8:]}
            ):
                pass
        async with server.http.get(f"{server.url}/files/{path}?signature=x"):
            pass
        async with server.http.get(f"{server.url}/api/v2/jobs/run_{secrets.token_hex(10)}/events"):
            pass

    await bother()
    before = await figures(server)
    for _ in range(5):
        await bother()
    after = await figures(server)
    assert after.keys() - before.keys() == set()
    assert [name for name in after if "zz" in name] == []


@pytest.mark.redis
async def test_figures_are_told_while_redis_is_away(tmp_path: Path) -> None:
    part = redis_part(tmp_path)
    async with contextlib.AsyncExitStack() as stack, contextlib.AsyncExitStack() as until_away:
        await until_away.enter_async_context(running(part, tmp_path))
        server = await stack.enter_async_context(api(part.url, tmp_path))
        assert (await figures(server))['imgen_part_up{part="redis"}'] == 1
        await until_away.aclose()
        async with asyncio.timeout(30):  # readiness' answer counts for a moment
            while (found := await figures(server))['imgen_part_up{part="redis"}'] == 1:
                await asyncio.sleep(0.1)
        assert found["imgen_metrics_unread"] >= 1
        assert found['imgen_part_up{part="acs"}'] == 1
