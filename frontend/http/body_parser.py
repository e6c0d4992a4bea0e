"""From the bytes of a body to its fields: small ones at once, large ones in a process beside the server."""

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

import msgspec

from frontend.common.errors import ApiError
from frontend.http.json_object import read_object
from frontend.http.parser_process import LENGTH, ParsedBody

MAX_AT_ONCE = 1 << 15  # bytes that take the event loop a millisecond or two, whatever they are
PROCESSES = 2
TIMEOUT_S = 10.0
_PIECE = 1 << 17
_ROOT = Path(__file__).resolve().parents[2]

_decode = msgspec.msgpack.Decoder(ParsedBody).decode


class BodyParser:
    """Processes start with the first large body; one that dies of a body is replaced at the next."""

    def __init__(self, processes: int = PROCESSES) -> None:
        self._slots = asyncio.Semaphore(processes)
        self._idle: list[Process] = []

    async def parse(self, raw: bytearray) -> dict[str, Any]:
        """As json_object.read_object. A large body is emptied when it is sent on. ApiError 400, 503."""
        if len(raw) <= MAX_AT_ONCE:
            return read_object(raw)
        async with self._slots:
            process = self._take() or await _start()
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    answer = await _exchange(process, raw)
            except TimeoutError:
                await _end(process)
                raise ApiError(503, "Server is busy", {"Retry-After": "5"}) from None
            except (OSError, asyncio.IncompleteReadError):  # the body was too much for it
                await _end(process)
                raise ApiError(400, "Invalid JSON") from None
            except asyncio.CancelledError:
                await _end(process)
                raise
            self._idle.append(process)
        await asyncio.sleep(0)  # a large answer was just put together, which took its time
        return _decode(answer).fields()

    def _take(self) -> Process | None:
        while self._idle:
            if (process := self._idle.pop()).returncode is None:
                return process
        return None

    async def close(self) -> None:
        while self._idle:
            await _end(self._idle.pop())


async def _start() -> Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "frontend.http.parser_process"),
        # Large pieces of memory go back to the system at once, not to a heap that keeps them.
        env={"PYTHONPATH": str(_ROOT), "MALLOC_MMAP_THRESHOLD_": "262144"},
        stdin=PIPE,
        stdout=PIPE,
        limit=_PIECE,
    )


async def _exchange(process: Process, raw: bytearray) -> bytes:
    assert process.stdin and process.stdout
    process.stdin.write(len(raw).to_bytes(LENGTH, "little"))
    for start in range(0, len(raw), _PIECE):
        process.stdin.write(raw[start : start + _PIECE])
        await process.stdin.drain()
    raw.clear()
    length = int.from_bytes(await process.stdout.readexactly(LENGTH), "little")
    return await process.stdout.readexactly(length)


async def _end(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
