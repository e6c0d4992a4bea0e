import contextlib
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from embedded.part import LEAST_PORT, PORT_RANGE, PartError, free_port, installed_python


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
    assert all(LEAST_PORT <= port < low for port in ports)


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
