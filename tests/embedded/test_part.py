import asyncio
import contextlib
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from embedded.part import MIN_PORT, PORT_RANGE, PartError, free_port, installed_python, start
from tests.embedded.test_child import children
from tests.embedded.test_supervisor import sleeper


@contextlib.contextmanager
def listening(port: int) -> Iterator[None]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        yield


def test_port_is_free_and_no_connection_of_this_machine_will_take_it() -> None:
    low = int(PORT_RANGE.read_text().split()[0])
    with ExitStack() as taken:
        ports = [free_port() for _ in range(20)]
        for port in set(ports):
            taken.enter_context(listening(port))
    assert all(MIN_PORT <= port < low for port in ports)


def test_port_is_found_where_connections_may_take_any(tmp_path: Path) -> None:
    everything = tmp_path / "ip_local_port_range"
    everything.write_text("1024\t65535\n")
    port = free_port(everything)
    assert 0 < port < 65536
    with listening(port), pytest.raises(OSError, match="in use"), listening(port):
        raise AssertionError("two listen on one port, so this test would not see a port that is taken")


def test_part_that_is_not_installed_is_named() -> None:
    with pytest.raises(PartError, match="juggler is not installed; run `make install`"):
        installed_python("juggler")


@pytest.mark.parametrize("turns", [0, 1, 2, 3, 4, 5, 6, 8, 10, 20])
async def test_start_that_is_cancelled_at_any_moment_leaves_no_process(tmp_path: Path, turns: int) -> None:
    before = children()
    starting = asyncio.create_task(start(sleeper(tmp_path, "one"), tmp_path))
    for _ in range(turns):
        await asyncio.sleep(0)
    starting.cancel()
    async with asyncio.timeout(30):
        await asyncio.gather(starting, return_exceptions=True)
    assert starting.cancelled()
    assert children() == before
