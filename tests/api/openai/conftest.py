"""OpenAI's own client for Python, told nothing but where the server is and a key."""

from collections.abc import AsyncIterator

import pytest
from openai import AsyncOpenAI

from tests.api.harness import Api


@pytest.fixture
async def client(server: Api) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{server.url}/v1", api_key=server.key) as opened:
        yield opened


@pytest.fixture
async def asking(shared: Api) -> AsyncIterator[AsyncOpenAI]:
    """Of the server that works on no jobs."""
    async with AsyncOpenAI(base_url=f"{shared.url}/v1", api_key=shared.key) as opened:
        yield opened
