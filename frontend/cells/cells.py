"""A pool of cells: a function of a fixed table, bytes in, bytes out, in a process that may be killed."""

import asyncio
import contextlib
import logging
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from prometheus_client import Counter

from frontend.cells.cell import OUT_OF_MEMORY
from frontend.cells.frame import ANSWER, MAX_FRAME_BYTES, READY, REFUSAL, Closed, ServerChannel, shared_memory
from frontend.cells.limits import CellLimits, CellRefusal, LimitKind, LimitPassed
from frontend.common.errors import ApiError

log = logging.getLogger(__name__)
CellFunction = Callable[[bytes], bytes]
ENDED = Counter("imgen_cells_ended", "Processes for strangers' bytes that a limit ended", ["limit"])
for _limit in LimitKind:
    ENDED.labels(_limit)
ROOT = Path(__file__).resolve().parent.parent.parent  # where `frontend` is imported from
START_S = 30.0
_ENVIRONMENT = {
    "PYTHONDONTWRITEBYTECODE": "1",
    "MALLOC_ARENA_MAX": "1",
    # An ordinary picture's memory is kept for the next one: to have it mapped anew takes as long as decoding.
    "MALLOC_MMAP_THRESHOLD_": str(8 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(16 << 20),
}
PAUSE_S = 1.0  # after a cell that did not start
MAX_WAIT_S = 30.0
MAX_WORDS = 200  # characters of a refusal
_BY_STATUS = {
    OUT_OF_MEMORY: LimitKind.MEMORY,
    -signal.SIGPROF: LimitKind.CPU,
    -signal.SIGABRT: LimitKind.MEMORY,  # how Rust and C++ end where memory is refused
}


class _Cell:
    """One process, as its owner sees it. Raises Closed and TimeoutError."""

    def __init__(self, names: Sequence[str], limits: CellLimits) -> None:
        ours, theirs = socket.socketpair()
        memory = shared_memory()
        try:
            self.channel = ServerChannel(ours, memory)
            self.process = self._spawn(theirs.fileno(), memory, limits, names)
        except OSError:
            ours.close()
            os.close(memory)
            raise
        finally:
            theirs.close()

    def _spawn(
        self, end: int, memory: int, limits: CellLimits, names: Sequence[str]
    ) -> "subprocess.Popen[bytes]":
        numbers = (end, memory, os.getpid(), limits.cpu_s, limits.memory_bytes, limits.niceness)
        return subprocess.Popen(
            [sys.executable, "-s", "-P", "-m", "frontend.cells.cell", *map(str, numbers), *names],
            pass_fds=[end, memory],
            stdin=subprocess.DEVNULL,
            env={"PYTHONPATH": str(ROOT)} | _ENVIRONMENT,
            start_new_session=True,  # a terminal's Ctrl-C is for the server
        )

    def wait_until_ready(self) -> None:
        if self.channel.receive(time.monotonic() + START_S)[0] != READY:
            raise Closed

    def end(self) -> int:
        """Kills it if it is not dead. Its exit status."""
        self.process.kill()
        self.channel.close()
        return self.process.wait()


class Cells:
    """Thread-safe. A cell has one job at a time; one that passed a limit is replaced at once."""

    def __init__(
        self,
        functions: Sequence[CellFunction],
        limits: CellLimits,
        size: int,
        *,
        on_demand: bool = False,
        max_wait_s: float = MAX_WAIT_S,
    ) -> None:
        """`on_demand`: a cell starts when a job finds none free; `max_wait_s`: of a job for a free cell."""
        self._names = [f"{function.__module__}:{function.__qualname__}" for function in functions]
        self._numbers = {function: number for number, function in enumerate(functions)}
        self._limits = limits
        self._max_wait_s = max_wait_s
        self._free: queue.SimpleQueue[_Cell] = queue.SimpleQueue()
        self._all: set[_Cell] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._threads = ThreadPoolExecutor(size, "cells")
        # A cell ends with the thread that started it (PR_SET_PDEATHSIG): this one lives as long as the pool.
        self._starter = ThreadPoolExecutor(1, "cells-starter")
        self._not_started = size
        if not on_demand:
            for _ in range(size):
                self._start_another()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, functions: Sequence[CellFunction], limits: CellLimits, size: int, *, on_demand: bool = False
    ) -> AsyncIterator["Cells"]:
        """`functions` are the table: of modules' top level, found again by their names.

        Returns at once; the first jobs wait until a cell has started.
        """
        cells = cls(functions, limits, size, on_demand=on_demand)
        try:
            yield cells
        finally:
            await asyncio.to_thread(cells.close)

    @property
    def pids(self) -> frozenset[int]:
        with self._lock:
            return frozenset(cell.process.pid for cell in self._all)

    async def run(self, function: CellFunction, data: bytes | bytearray) -> bytes:
        """As `call`, from an event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.call, function, data)

    def call(self, function: CellFunction, data: bytes | bytearray) -> bytes:
        """What `function` returns. Raises CellRefusal where it raises ValueError, RuntimeError for any other
        error in it; LimitPassed; ApiError 503 where no cell is free for long.
        """
        if len(data) > MAX_FRAME_BYTES:
            raise CellRefusal("too large")
        number, cell = self._numbers[function], self._take()
        try:
            deadline = time.monotonic() + self._limits.wall_s
            cell.channel.send(number, data, deadline)
            kind, answer = cell.channel.receive(deadline)
        except (Closed, TimeoutError) as error:
            raise LimitPassed(self._replace(cell, error)) from None
        cell.channel.forget()
        self._free.put(cell)
        if kind == ANSWER:
            return answer
        words = _printable(answer)
        raise CellRefusal(words) if kind == REFUSAL else RuntimeError(f"{function.__name__}: {words}")

    def close(self) -> None:
        self._closed.set()
        with self._lock:
            for cell in self._all:
                cell.process.kill()
        self._threads.shutdown(cancel_futures=True)
        self._starter.shutdown(cancel_futures=True)
        for cell in self._all:
            cell.end()

    def _take(self) -> _Cell:
        if self._free.empty():
            self._start_another()
        deadline = time.monotonic() + self._max_wait_s
        while not self._closed.is_set():
            try:
                cell = self._free.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            if cell.process.poll() is None:
                return cell
            self._replace(cell, Closed())  # killed while it had nothing to do
        raise ApiError(503, "Server is busy", {"Retry-After": "5"})

    def _replace(self, cell: _Cell, error: Exception) -> LimitKind:
        """Which limit ended it."""
        limit = LimitKind.WALL
        if isinstance(error, Closed):  # it has ended, or says what no cell of ours says
            with contextlib.suppress(subprocess.TimeoutExpired):
                cell.process.wait(1)
            limit = _BY_STATUS.get(cell.end(), LimitKind.CRASH)
        cell.end()
        with self._lock:
            self._all.discard(cell)
        ENDED.labels(limit).inc()
        log.warning("a cell was ended: %s", limit)
        self._submit_start()
        return limit

    def _start_another(self) -> None:
        with self._lock:
            if not self._not_started:
                return
            self._not_started -= 1
        self._submit_start()

    def _submit_start(self) -> None:
        with contextlib.suppress(RuntimeError):  # the pool is being closed
            self._starter.submit(self._start)

    def _start(self) -> None:
        while not self._closed.is_set():
            try:
                self._free.put(self._started())
                return
            except (Closed, TimeoutError, OSError) as error:
                if not self._closed.wait(PAUSE_S):
                    log.error("a cell for strangers' bytes did not start: %r", error)

    def _started(self) -> _Cell:
        cell = _Cell(self._names, self._limits)
        with self._lock:
            self._all.add(cell)
        try:
            cell.wait_until_ready()
        except (Closed, TimeoutError):
            cell.end()
            with self._lock:
                self._all.discard(cell)
            raise
        return cell


def _printable(answer: bytes) -> str:
    """A cell's words, which a client is told or a log keeps."""
    words = answer[: 4 * MAX_WORDS].decode(errors="replace")[:MAX_WORDS]
    return "".join(character if character.isprintable() else "?" for character in words)
