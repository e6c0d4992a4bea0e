"""A real Triton tells a collector of the orders that its clients trace, and of no others."""

from pathlib import Path

import pytest

from embedded.part import running
from embedded.triton import triton_part
from frontend.common.otlp import OtlpTracer
from frontend.common.tracer import spanning
from frontend.inference.client import Inference
from tests.collector import Collector
from tests.orders import ignore, order

pytestmark = pytest.mark.triton


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
            with spanning(span):
                await inference.text_to_image(order(), ignore)
            await inference.text_to_image(order(), ignore)
            await inference.close()
            told = {each.name: each for each in await collector.until(3, "triton")}
        tracer.close()
    assert {each.trace_id for each in collector.spans} == {span.context.trace_id}
    assert told["InferRequest"].parent_id == span.context.span_id
    assert told["text_to_image"].parent_id == told["InferRequest"].span_id
