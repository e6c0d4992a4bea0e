"""A real Triton tells a collector of the orders that its clients trace, and of no others."""

import contextlib
import time
from pathlib import Path

import pytest

from embedded.part import running
from embedded.triton import triton_part
from frontend.common.otlp import OtlpTracer
from frontend.common.tracer import spanning
from frontend.inference.client import Inference
from tests.collector import CollectedSpan, Collector
from tests.orders import ignore, order

pytestmark = pytest.mark.triton
AGAIN_S, PATIENCE_S = 15.0, 180.0


async def test_order_that_is_traced_is_told_below_the_span_of_who_sent_it(
    tiny_repository: Path, tmp_path: Path
) -> None:
    async with Collector().running() as collector:
        tracer = OtlpTracer(collector.url, 1.0)
        part = triton_part(
            data_dir=tmp_path, repositories=[tiny_repository], threads=1, otlp_url=collector.url
        )
        async with running(part, tmp_path):
            inference = Inference([part.url], timeout_s=60)
            await inference.text_to_image(order(), ignore)
            span = tracer.begin("test", None, {})
            assert span is not None
            told: list[CollectedSpan] = []
            deadline = time.monotonic() + PATIENCE_S
            while not told:  # a collector that is not reached at once is not told again of the same order
                assert time.monotonic() < deadline
                with spanning(span):
                    await inference.text_to_image(order(), ignore)
                await inference.text_to_image(order(), ignore)
                with contextlib.suppress(TimeoutError):
                    told = await collector.until(3, "triton", AGAIN_S)
            await inference.close()
        tracer.close()
    assert {each.trace_id for each in collector.spans} == {span.context.trace_id}
    requests = [each for each in told if each.name == "InferRequest"]
    assert requests and {each.parent_id for each in requests} == {span.context.span_id}
    drawn = {each.parent_id for each in told if each.name == "text_to_image"}
    assert drawn and drawn <= {each.span_id for each in requests}
