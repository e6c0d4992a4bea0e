"""What goes between the server and a cell: heads over a socket, the bytes they announce in shared memory.

A socket alone holds 200 KB, and would wake both sides fifteen times for the pixels of one picture.
"""

import fcntl
import mmap
import os
import socket
import struct
import time

_HEAD = struct.Struct("!BI")
READY, ANSWER, REFUSAL, FAILURE = range(4)
"""Kinds of a cell's frames. `REFUSAL` carries a ValueError's words, `FAILURE` the name of any other error."""
MAX_FRAME_BYTES = 96 << 20
KEPT_BYTES = 4 << 20
"""Shared memory that a job used and the next one may; more is given back to the machine."""


class Closed(Exception):
    """The other end is gone, or speaks nonsense."""


def shared_memory() -> int:
    """A descriptor of MAX_FRAME_BYTES that nobody can shrink: its readers would be killed by that."""
    descriptor = os.memfd_create("cell", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, MAX_FRAME_BYTES)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return descriptor


class Channel:
    """A cell's end. Raises TimeoutError past `deadline` (time.monotonic), Closed."""

    def __init__(self, end: socket.socket, descriptor: int) -> None:
        """`descriptor`: of `shared_memory`, needed no longer than this."""
        self._end = end
        self._memory = mmap.mmap(descriptor, MAX_FRAME_BYTES)

    def send(self, number: int, data: bytes | bytearray, deadline: float | None = None) -> None:
        """At most MAX_FRAME_BYTES."""
        self._write(data)
        self._wait_until(deadline)
        try:
            self._end.sendall(_HEAD.pack(number, len(data)))
        except OSError as error:
            raise error if isinstance(error, TimeoutError) else Closed from error

    def receive(self, deadline: float | None = None) -> tuple[int, bytes]:
        """A copy: the other end may still write."""
        self._wait_until(deadline)
        try:
            head = self._end.recv(_HEAD.size, socket.MSG_WAITALL)
        except OSError as error:
            raise error if isinstance(error, TimeoutError) else Closed from error
        if len(head) != _HEAD.size:
            raise Closed
        number, length = _HEAD.unpack(head)
        if length > MAX_FRAME_BYTES:
            raise Closed
        return number, self._read(length)

    def close(self) -> None:
        self._end.close()
        self._memory.close()

    def _write(self, data: bytes | bytearray) -> None:
        self._memory[: len(data)] = data

    def _read(self, length: int) -> bytes:
        return self._memory[:length]

    def _wait_until(self, deadline: float | None) -> None:
        if deadline is None:
            return
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._end.settimeout(left)


class ServerChannel(Channel):
    """The server's end. It copies by system calls, so that the event loop goes on meanwhile."""

    def __init__(self, end: socket.socket, descriptor: int) -> None:
        """`descriptor`: of `shared_memory`, closed with this."""
        super().__init__(end, descriptor)
        self._descriptor = descriptor
        self._used = 0

    def forget(self) -> None:
        """What was sent and received is not needed any more."""
        if self._used > KEPT_BYTES:
            self._memory.madvise(mmap.MADV_REMOVE)
        self._used = 0

    def close(self) -> None:
        super().close()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _write(self, data: bytes | bytearray) -> None:
        self._used = max(self._used, len(data))
        if os.pwrite(self._descriptor, data, 0) != len(data):
            raise Closed

    def _read(self, length: int) -> bytes:
        self._used = max(self._used, length)
        data = os.pread(self._descriptor, length, 0)
        if len(data) != length:
            raise Closed
        return data
