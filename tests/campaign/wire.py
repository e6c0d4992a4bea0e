"""The network between one server and every Redis and sentinel: an address of its own, which leads to theirs.

Sentinels tell where the master is; on this side of the wire, that is at this address, too.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

FAR = "127.0.0.1"
Cut = Literal["", "silent", "silent answers", "reset", "slow"]
CUTS: tuple[Cut, ...] = ("silent", "silent answers", "reset", "slow")
SLOW_S = (0.02, 0.3)  # of each piece


@dataclass
class Wire:
    near: str  # as long as FAR, so that one may stand for the other in what sentinels say
    chance: random.Random
    _cut: Cut = ""
    _moved: asyncio.Event = field(default_factory=asyncio.Event)
    _ends: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut(self, how: Cut) -> None:
        """What is on the way when it falls silent arrives when it is mended, as TCP has it."""
        self._cut = how
        if how == "reset":
            for end in self._ends:
                end.transport.abort()
        self._moved.set()
        self._moved = asyncio.Event()

    def mend(self) -> None:
        self.cut("")

    async def carry(self, near: asyncio.StreamReader, answer: asyncio.StreamWriter, port: int) -> None:
        if self._cut == "reset":
            answer.transport.abort()
            return
        try:
            far, ask = await asyncio.open_connection(FAR, port)
        except OSError:
            answer.transport.abort()
            return
        self._ends |= {answer, ask}
        try:
            done, left = await asyncio.wait(
                [
                    asyncio.create_task(self._pump(near, ask, ("silent",))),
                    asyncio.create_task(self._pump(far, answer, ("silent", "silent answers"))),
                ],
                return_when=asyncio.FIRST_COMPLETED,
            )
            for pump in left:
                pump.cancel()
            await asyncio.gather(*done, *left, return_exceptions=True)
        finally:
            self._ends -= {answer, ask}
            for end in (answer, ask):
                end.close()

    async def _pump(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, held: Sequence[Cut]
    ) -> None:
        to_us = held[-1] == "silent answers"
        with contextlib.suppress(OSError):
            while data := await source.read(1 << 18):
                while self._cut in held:
                    await self._moved.wait()
                if self._cut == "slow":
                    await asyncio.sleep(self.chance.uniform(*SLOW_S))
                if to_us:
                    data = data.replace(f"{FAR}\r\n".encode(), f"{self.near}\r\n".encode())
                target.write(data)
                await target.drain()


@contextlib.asynccontextmanager
async def wired(near: str, ports: Sequence[int], chance: random.Random) -> AsyncIterator[Wire]:
    wire = Wire(near, chance)
    async with contextlib.AsyncExitStack() as stack:
        for port in ports:

            async def carry(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int = port
            ) -> None:
                await wire.carry(reader, writer, port)

            server = await asyncio.start_server(carry, near, port)
            stack.callback(server.close)
        stack.callback(wire.cut, "reset")
        yield wire
