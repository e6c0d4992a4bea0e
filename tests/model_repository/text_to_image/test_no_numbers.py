"""A network that computes infinity for one order, in a real Triton: that order fails, and is counted."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from embedded.part import python_of, start, stop
from embedded.triton import triton_part
from frontend.domain.inference_error import FailureScope, InferenceError
from frontend.inference.client import Inference
from tests.orders import ignore, order

pytestmark = pytest.mark.triton
# Divides the tiny denoiser's output by (guidance - 2.5).
DIVIDE = """
import sys, onnx
from onnx import helper, numpy_helper
import numpy as np
model = onnx.load(sys.argv[1])
graph = model.graph
for node in graph.node:
    node.output[:] = ["before" if name == "next_latents" else name for name in node.output]
graph.initializer.append(numpy_helper.from_array(np.array(2.5, np.float32), "hot"))
graph.initializer.append(numpy_helper.from_array(np.array([2, 3]), "hot_axes"))
graph.node.extend([
    helper.make_node("Sub", ["guidance", "hot"], ["off"]),
    helper.make_node("Unsqueeze", ["off", "hot_axes"], ["off_4"]),
    helper.make_node("Div", ["before", "off_4"], ["next_latents"]),
])
onnx.save(model, sys.argv[1])
"""


@pytest.fixture
def url(tiny_repository: Path, tmp_path: Path) -> Iterator[str]:
    repository = tmp_path / "repository"
    for part in ("text-encoder", "denoiser", "decoder"):
        shutil.copytree(tiny_repository / f"tiny-{part}", repository / f"tiny-{part}")
    graph = repository / "tiny-denoiser" / "1" / "model.onnx"
    subprocess.run([python_of("triton"), "-c", DIVIDE, str(graph)], check=True)
    served = triton_part(data_dir=tmp_path / "data", repositories=[repository], threads=1)
    with asyncio.Runner() as runner:
        process = runner.run(start(served, tmp_path))
        yield served.url
        runner.run(stop(served, process))


def counted() -> float:
    metric = "imgen_networks_made_no_numbers_total"
    samples = (one for family in REGISTRY.collect() for one in family.samples if one.name == metric)
    return sum(sample.value for sample in samples if sample.labels["network"] == "tiny-denoiser")


async def test_the_order_fails_with_the_network_and_its_runtime_named_and_the_next_one_is_drawn(
    url: str,
) -> None:
    inference, before = Inference([url], timeout_s=60), counted()
    try:
        good = await inference.text_to_image(order(guidance=3.0), ignore)
        with pytest.raises(InferenceError) as caught:
            await inference.text_to_image(order(guidance=2.5), ignore)
        told = str(caught.value)
        assert f"tiny-denoiser: next_latents is not a number (by {good.runtime})" in told
        assert caught.value.scope is FailureScope.ORDER  # it would do so again
        assert counted() == before + 1
        again = await inference.text_to_image(order(guidance=3.0), ignore)
        assert (again.pixels == good.pixels).all()
        (inventory,) = (await inference.inventories()).values()
        assert inventory is not None
        told_by = inventory["tiny"].runtimes
        assert sorted(told_by) == ["tiny-decoder", "tiny-denoiser", "tiny-text-encoder"]
        assert set(told_by.values()) == {good.runtime}
    finally:
        await inference.close()
