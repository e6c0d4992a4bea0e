"""Who listens at an address: a stranger that was there first must not be taken for a part that we started."""

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

CONNECT_TIMEOUT_S = 1.0
LISTEN = "0A"  # state in /proc/PID/net/tcp, see proc_pid_net(5)


def is_listener(pid: int, address: Path | int) -> bool:
    """Whether the process listens at this Unix socket or TCP port."""
    if isinstance(address, Path):
        return listener_of(address) == pid
    return address in {port for _, port in tcp_listeners(pid)}


def listener_of(path: Path) -> int | None:
    """The process that made this Unix socket listen, as the kernel tells it; None: nobody does."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(CONNECT_TIMEOUT_S)
        connection.connect(str(path))
        peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", peer)[0])
    return None


def tcp_listeners(pid: int) -> Iterator[tuple[str, int]]:
    """(address in hexadecimal, port) of every TCP socket that the process listens on."""
    own = _sockets(pid)
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):  # ended meanwhile, or a kernel without IPv6
            for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
                columns = line.split()
                if columns[3] == LISTEN and f"socket:[{columns[9]}]" in own:
                    address, _, port = columns[1].rpartition(":")
                    yield address, int(port, 16)


def _sockets(pid: int) -> set[str]:
    found = set()
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):  # closed meanwhile
                found.add(os.readlink(entry))
    return found
