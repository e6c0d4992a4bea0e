import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from frontend.net.guarded_fetcher import GuardedFetcher, Unreachable
from frontend.net.threaded_names import ThreadedNames


async def test_own_host_is_found() -> None:
    names = ThreadedNames()
    found = await names.resolve("localhost", 443, socket.AF_INET)
    await names.close()
    assert {(one["hostname"], one["host"], one["port"]) for one in found} == {("localhost", "127.0.0.1", 443)}


async def test_strangers_names_are_looked_up_apart_from_the_loop_s_own_threads() -> None:
    """Here these are all taken; as well they could take these."""
    go = threading.Event()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    taken = asyncio.create_task(asyncio.to_thread(go.wait))
    await asyncio.sleep(0)
    try:
        async with GuardedFetcher.open(timeout_s=30) as fetcher, asyncio.timeout(20):
            with pytest.raises(Unreachable) as refused:
                await fetcher.fetch("https://localhost/", 10)
    finally:
        go.set()
        await taken
    assert "not a public address" in repr(refused.value.__cause__)
