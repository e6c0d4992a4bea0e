import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded.listener import is_listener, listener_of, tcp_listeners

LISTEN = """
import socket, sys
where = sys.argv[1]
if where.isdigit():
    server = socket.create_server(("127.0.0.1", int(where)))
    print(server.getsockname()[1], flush=True)
else:
    server = socket.socket(socket.AF_UNIX)
    server.bind(where)
    server.listen()
    print(0, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """pytest's paths are too long for a socket."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def listening(where: str) -> "tuple[subprocess.Popen[str], int]":
    """A process that listens until its input ends, and its port."""
    process = subprocess.Popen(
        [sys.executable, "-c", LISTEN, where], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    return process, int(process.stdout.readline())


def test_process_that_listens_on_a_socket_is_known(folder: Path) -> None:
    path = folder / "a.sock"
    assert listener_of(path) is None
    process, _ = listening(str(path))
    with process:
        assert listener_of(path) == process.pid
        assert is_listener(process.pid, path) and not is_listener(os.getpid(), path)
        process.communicate()
    assert listener_of(path) is None  # its file is still there


def test_process_that_listens_on_a_port_is_known() -> None:
    process, port = listening("0")
    with process:
        assert list(tcp_listeners(process.pid)) == [("0100007F", port)]
        assert is_listener(process.pid, port) and not is_listener(os.getpid(), port)
        assert not is_listener(process.pid, port + 1)
        process.communicate()
    assert not is_listener(process.pid, port)


def test_one_that_connects_is_no_listener() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as client:
            ports = {port for _, port in tcp_listeners(os.getpid())}
            assert server.getsockname()[1] in ports and client.getsockname()[1] not in ports
