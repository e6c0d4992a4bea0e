import asyncio
import contextlib
import errno
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from embedded.part import MIN_PORT, PORT_RANGE, PartError, SystemPart, free_port, installed_python, start
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


def unanswering(folder: Path, listens_at: Path | int, code: str) -> SystemPart:
    """A part whose readiness is asked of an address, and answered by whoever is there."""

    async def ready() -> bool:
        return True

    part = sleeper(folder, "one", code)
    return replace(part, listens_at=listens_at, ready=ready, start_timeout_s=1.0)


async def test_stranger_at_a_freed_port_is_not_taken_for_the_part(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        taken = f"import socket; socket.create_server(('127.0.0.1', {port}))"
        with pytest.raises(PartError, match=r"one ended while starting .*Address already in use"):
            await start(unanswering(tmp_path, port, taken), tmp_path)


async def test_stranger_at_a_socket_is_not_taken_for_the_part(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as stranger:
        path = Path(folder) / "a.sock"
        stranger.bind(str(path))
        stranger.listen()
        with pytest.raises(PartError, match="one was not ready within 1 s"):
            await start(unanswering(tmp_path, path, "import time; time.sleep(600)"), tmp_path)


async def test_part_that_cannot_be_confined_does_not_run(tmp_path: Path) -> None:
    def refuse() -> None:
        raise OSError(errno.ENOSYS, "no seccomp")

    with pytest.raises(PartError, match="one could not be confined"):
        await start(replace(sleeper(tmp_path, "one"), confine=refuse), tmp_path)
    assert not (tmp_path / "one").exists()
