"""Fixtures over real parts: one Redis for the whole run, emptied for every test.

The server's packages are imported where they are used: the tests of a part run in that part's environment.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.log_watch import pytest_configure
from tests.markers import pytest_collection_modifyitems, pytest_runtest_protocol
from tests.triton_server import (
    banked_repository,
    banked_triton,
    demo_repositories,
    demo_triton,
    tiny_repository,
    triton,
)

if TYPE_CHECKING:
    from redis.asyncio import Redis

__all__ = [
    "banked_repository", "banked_triton", "demo_repositories", "demo_triton",
    "pytest_collection_modifyitems", "pytest_configure", "pytest_runtest_protocol", "redis", "redis_url",
    "tiny_repository", "triton",
]  # fmt: skip


# Numbers are compared to float32's; a processor with bfloat16 would use that. Tests of it ask for it.
os.environ.setdefault("IMGEN_CPU_PRECISION", "f32")


@pytest.fixture(autouse=True)
def _kept_umask() -> Iterator[None]:
    """`imgen up` sets it for good; called in this process, it would do so for all tests that follow."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from embedded.part import start, stop
    from embedded.redis import redis_part

    folder: Path = tmp_path_factory.mktemp("redis")
    part = redis_part(folder)
    with asyncio.Runner() as runner:
        process = runner.run(start(part, folder))
        yield part.url
        runner.run(stop(part, process))


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator["Redis"]:
    from frontend.common.redis_connection import connect

    client = connect(redis_url)
    await client.flushall()
    yield client
    await client.aclose()
