from collections.abc import AsyncIterator

import pytest

from frontend.inference.client import Inference
from tests.triton_server import RunningTriton


@pytest.fixture
async def inference(triton: RunningTriton) -> AsyncIterator[Inference]:
    """A client of the Triton that serves the toy model."""
    client = Inference([triton.url], timeout_s=60)
    yield client
    await client.close()


@pytest.fixture
async def demo_inference(demo_triton: RunningTriton) -> AsyncIterator[Inference]:
    """A client of the Triton that serves the demo catalogue's model."""
    client = Inference([demo_triton.url], timeout_s=120)
    yield client
    await client.close()
