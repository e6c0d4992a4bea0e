"""What the tests of the pool have done in cells: good, slow, greedy, broken and hostile functions."""

import ctypes
import errno
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path


def reverse(data: bytes) -> bytes:
    return data[::-1]


def refuse(data: bytes) -> bytes:
    raise ValueError(data.decode())


def break_down(data: bytes) -> bytes:
    raise KeyError("secret")


def spin(data: bytes) -> bytes:
    while True:
        pass


def spin_a_while(data: bytes) -> bytes:
    """So many seconds; then the process's id."""
    until = time.monotonic() + float(data)
    while time.monotonic() < until:
        pass
    return process_id(data)


def hang(data: bytes) -> bytes:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()
    return b""


def grow(data: bytes) -> bytes:
    return bytes(int(data))


def crash(data: bytes) -> bytes:
    return ctypes.string_at(1)


def abort(data: bytes) -> bytes:
    os.abort()


def process_id(data: bytes) -> bytes:
    return str(os.getpid()).encode()


def environment(data: bytes) -> bytes:
    return repr(dict(os.environ)).encode()


def modules(data: bytes) -> bytes:
    return " ".join(sorted({name.split(".")[0] for name in sys.modules})).encode()


def descriptors(data: bytes) -> bytes:
    """Those that are open."""
    found = []
    for number in range(64):
        try:
            os.lseek(number, 0, os.SEEK_CUR)
        except OSError as error:
            if error.errno == errno.EBADF:
                continue
        found.append(number)
    return repr(found).encode()


_ATTEMPTS: dict[str, Callable[[str], object]] = {
    "read a file": lambda path: Path(path).read_text(),
    "write a file": lambda path: Path(path).write_text("x"),
    "delete a file": lambda path: Path(path).unlink(),
    "list a folder": lambda path: os.listdir(Path(path).parent),
    "open a socket": lambda _: socket.socket(),
    "start a thread": lambda _: threading.Thread(target=print).start(),
    "fork": lambda _: os.fork(),
    "run a program": lambda _: os.execv("/bin/true", ["true"]),
    "end the server": lambda _: os.kill(os.getppid(), signal.SIGTERM),
    "stop its own end": lambda _: ctypes.CDLL(None, use_errno=True).prctl(1, 0, 0, 0, 0) and _failed(),
    "look into the server": lambda _: (
        ctypes.CDLL(None, use_errno=True).ptrace(16, os.getppid(), 0, 0) and _failed()
    ),
}


def attempt(data: bytes) -> bytes:
    """`what`, newline, a path. The name of the error that stopped it; "done" where nothing did."""
    what, path = data.decode().split("\n")
    try:
        _ATTEMPTS[what](path)
    except (OSError, RuntimeError) as error:
        return type(error).__name__.encode()
    return b"done"


ATTEMPTS = tuple(_ATTEMPTS)


def _failed() -> bool:
    error = ctypes.get_errno()
    raise OSError(error, os.strerror(error))
