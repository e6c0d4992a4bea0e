"""A client that speaks HTTP by hand: it may stop in the middle, lie, and send what is no HTTP."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tests.api.harness import Api

PATIENCE_S = 10.0
MIB = 1 << 20


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass(frozen=True)
class Wire:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self) -> Answer:
        async with asyncio.timeout(PATIENCE_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])
            }
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(head[0].split()[1]), headers, body)

    async def ended(self) -> bytes:
        """What still came until the server closed the connection."""
        async with asyncio.timeout(PATIENCE_S):
            with contextlib.suppress(ConnectionError):
                return await self.reader.read()
        return b""


@contextlib.asynccontextmanager
async def wire(port: int, address: str = "127.0.0.1") -> AsyncIterator[Wire]:
    """`address`: that it comes from."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()


def head(*lines: str, key: str = "", length: int | None = None) -> bytes:
    """The head of a `POST /api/v2`."""
    own = ["POST /api/v2 HTTP/1.1", "Host: localhost", *lines]
    if key:
        own.append(f"Authorization: Bearer {key}")
    if length is not None:
        own.append(f"Content-Length: {length}")
    return "\r\n".join([*own, "", ""]).encode()


def models(server: Api) -> bytes:
    """A whole request, answered 200."""
    body = b'{"action":"models"}'
    return head(key=server.key, length=len(body)) + body


def resident_mib() -> float:
    line = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")
    )
    return int(line.split()[1]) / 1024
