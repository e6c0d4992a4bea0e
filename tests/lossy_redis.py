"""A wire to the real Redis that loses an answer when told to, or is cut for a while; writes that are lost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from redis.asyncio import Redis

from frontend.common.redis_connection import connect


@dataclass
class Wire:
    far: str  # the real Redis' socket
    lost: int = 0
    _loses: bytes = b""
    _is_cut: bool = False
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def lose_answer_to(self, part: str) -> None:
        """The next request that holds `part` is carried out, and then its connection breaks."""
        self._loses = part.encode()

    def cut(self) -> None:
        self._is_cut = True
        for end in self._open:
            end.close()

    def mend(self) -> None:
        self._is_cut = False

    async def carry(self, requests: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        answers, ask = await asyncio.open_unix_connection(self.far)
        ends = {answer, ask}
        self._open |= ends
        seen = bytearray()  # of the requests since the last answer
        there = asyncio.create_task(_pump(requests, ask, seen))
        try:
            while not self._is_cut and (data := await answers.read(1 << 20)):
                if self._loses and self._loses in seen and not data.startswith(b"-"):  # not: no such script
                    self._loses, self.lost = b"", self.lost + 1
                    return
                seen.clear()
                answer.write(data)
        finally:
            there.cancel()
            self._open -= ends
            for end in ends:
                end.close()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, seen: bytearray) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(1 << 20):
            seen += data
            target.write(data)
    target.close()


@contextlib.asynccontextmanager
async def wired(redis_url: str, folder: Path) -> AsyncIterator[tuple[Wire, "Redis"]]:
    """A wire, and at its end a client as the server has it."""
    wire, near = Wire(redis_url.removeprefix("unix://")), folder / "wire.sock"

    async def carry(requests: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await wire.carry(requests, answer)

    server = await asyncio.start_unix_server(carry, near)
    client = connect(f"unix://{near}")
    try:
        yield wire, client
    finally:
        await client.aclose()
        server.close()
        wire.cut()


@contextlib.asynccontextmanager
async def unknown_to_the_next_master(redis: "Redis") -> AsyncIterator[None]:
    """What the block writes was answered, and had not come to the replica that takes over then."""
    copied = {name: await redis.dump(name) or b"" for name in await redis.keys()}
    yield
    await redis.flushall()
    for name, value in copied.items():
        await redis.restore(name, 0, value)
