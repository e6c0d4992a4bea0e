"""A request's way from the client's own trace to the verdict, as a collector is told of it."""

import secrets
import subprocess
import sys
from pathlib import Path

import pytest
from redis.asyncio import Redis

from frontend.common.errors import SettingError
from frontend.common.open_tracer import open_tracer
from frontend.domain.inference_error import FailureScope, InferenceError
from frontend.domain.stored_records import decode_job
from tests.api.harness import PROMPT, Api, api
from tests.collector import Collector


def traceparent(flags: str = "01") -> tuple[str, str, str]:
    """Of a client: the header, its trace's id, its span's."""
    trace_id, span_id = secrets.token_hex(16), secrets.token_hex(8)
    return f"00-{trace_id}-{span_id}-{flags}", trace_id, span_id


async def order(server: Api, header: str) -> str:
    """The id of a job."""
    status, job = await server.post({"action": "generate", "prompt": PROMPT}, traceparent=header)
    assert status == 200
    return str(job["id"])


async def test_trace_of_a_client_goes_on_to_the_verdict(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    header, trace_id, client_span = traceparent()
    async with Collector().running() as collector:
        async with api(redis_url, tmp_path, otlp_url=collector.url, trace_share=1.0) as server:
            job_id = await order(server, header)
            await server.until(job_id)
        spans = {span.name: span for span in collector.spans if span.trace_id == trace_id}
    request, job = spans["POST /api/v2"], spans["job"]
    assert (request.service, request.parent_id) == ("imgen", client_span)
    assert spans["accept"].parent_id == job.parent_id == spans["review"].parent_id == request.span_id
    for stage in ("wait", "text_to_image", "finish", "store"):
        assert spans[stage].parent_id == job.span_id
    for stage in ("encode", "denoise", "decode"):
        assert spans[stage].parent_id == spans["text_to_image"].span_id
    assert spans["step"].parent_id == spans["text_to_image"].span_id
    assert abs(spans["denoise"].seconds - 0.002) < 1e-6  # as the Triton of this test says
    assert job_id in job.attributes["job"]
    assert "generate" in request.attributes["action"]
    assert "200" in request.attributes["http.response.status_code"]
    assert "safe" in spans["review"].attributes["compliance"]
    assert not any(span.failed for span in spans.values())
    told = str([span.attributes for span in spans.values()])
    assert PROMPT not in told and server.key not in told


async def test_failed_drawing_is_told_by_its_kind_alone(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    header, trace_id, _ = traceparent()
    async with Collector().running() as collector:
        async with api(redis_url, tmp_path, otlp_url=collector.url, trace_share=1.0) as server:
            server.triton.failures = [InferenceError("REFUSED: words of a client", FailureScope.ORDER)]
            assert (await server.until(await order(server, header)))["status"] == "FAILED"
        drawn = {span.name: span for span in collector.spans if span.trace_id == trace_id}
    assert drawn["text_to_image"].failed and not drawn["job"].failed
    assert "words of a client" not in str(collector.spans)


async def test_share_decides_whatever_the_client_says_and_its_id_is_kept_for_logs(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    header, trace_id, _ = traceparent()
    async with Collector().running() as collector:
        async with api(redis_url, tmp_path, otlp_url=collector.url, trace_share=0.0) as server:
            job_id = await order(server, header)
            await server.until(job_id)
            record = await server.redis.hget(f"imgen:job:{job_id}", "record")
        assert collector.spans == []
    trace = decode_job(record or b"").trace
    assert trace.startswith(f"00-{trace_id}-") and trace.endswith("-00")


@pytest.mark.parametrize(
    "header", ["", "junk", f"00-{'0' * 32}-{'1' * 16}-01", f"00-{'G' * 32}-{'1' * 16}-01"]
)
async def test_broken_header_is_as_none(redis: "Redis", redis_url: str, tmp_path: Path, header: str) -> None:
    async with Collector().running() as collector:
        async with api(redis_url, tmp_path, otlp_url=collector.url, trace_share=1.0) as server:
            await server.until(await order(server, header))
        spans = {span.name: span for span in collector.spans}
    begun = {name for name, span in spans.items() if not span.parent_id}
    assert begun <= {"POST /api/v2", "GET /files/{key}"}  # of requests, the reviewer's for the picture too
    assert spans["job"].trace_id not in ("0" * 32, "")


async def test_collector_that_is_away_costs_no_request(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with Collector().running() as collector:
        pass  # and is gone
    async with api(redis_url, tmp_path, otlp_url=collector.url, trace_share=1.0) as server:
        assert (await server.finished())["status"] == "COMPLETED"


def test_nothing_of_opentelemetry_is_loaded_without_a_collector() -> None:
    """But for what the client library of Redis loads of it by itself, where it is installed."""
    parts = "('opentelemetry.exporter', 'opentelemetry.sdk.trace', 'frontend.common.otlp')"
    code = f"import sys, frontend.serve; print([name for name in sys.modules if name.startswith({parts})])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_address_that_is_none_is_refused() -> None:
    with pytest.raises(SettingError, match="IMGEN_OTLP_URL: expected http"):
        open_tracer("collector:4318", 1.0)
