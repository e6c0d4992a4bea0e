"""A receiver of webhooks, over TLS, that may behave as badly as any out there."""

import asyncio
import contextlib
import json
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook

from embedded.part import free_port
from tests.certificate import certificate

OK = b"HTTP/1.1 204 No Content\r\n\r\n"
# Each is a whole answer, or the beginning of one that never ends.
ANSWERS = {
    "300": b"HTTP/1.1 300 Multiple Choices\r\nContent-Length: 0\r\n\r\n",
    "redirect": b"HTTP/1.1 307 Moved\r\nLocation: https://10.0.0.1/\r\nContent-Length: 0\r\n\r\n",
    "500": b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
    "503": b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
    "410": b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n",
    "half": b"HTTP/1.1 20",
    "garbage": b"\x00\xff" * 4_000 + b"\r\n\r\n",
    "closes": b"",
}
FAULTS = ("300", "redirect", "500", "503", "half", "garbage", "closes", "reset", "hangs", "endless body",
          "endless head")  # fmt: skip
MORE = b"x" * 65_536


@dataclass(frozen=True)
class Message:
    """One attempt, as it came: signed by a secret of the receiver's."""

    id: str
    headers: dict[str, str]
    body: dict[str, Any]
    raw: bytes

    def verify(self, secret: str) -> Any:
        """Raises WebhookVerificationError."""
        return Webhook(secret).verify(self.raw, self.headers)


@dataclass
class Receiver:
    url: str
    secrets: list[str]  # each attempt must be signed with every one
    behave: Callable[[Message], str] = lambda message: "ok"  # a fault's name, or ok
    attempts: list[Message] = field(default_factory=list)
    taken: Counter[str] = field(default_factory=Counter)  # ids of those that were answered 2xx
    hanging: int = 0  # attempts that are held at this moment
    forged: list[Exception] = field(default_factory=list)
    released: asyncio.Event = field(default_factory=asyncio.Event)  # whoever hangs
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, holds: Callable[[], bool], within_s: float = 60.0) -> None:
        async with asyncio.timeout(within_s):
            while not holds():
                self.changed.clear()
                await self.changed.wait()

    async def message(self, job_id: str) -> Message:
        """The one of this job that was taken."""
        await self.until(lambda: bool(self.taken[job_id]))
        return next(each for each in reversed(self.attempts) if each.id == job_id)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(await self._read(reader), reader, writer)
        except (OSError, asyncio.IncompleteReadError):  # it was given up
            pass
        except Exception as error:
            self.forged.append(error)
        finally:
            self.changed.set()
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Message:
        line, *head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        assert line.startswith("POST "), line
        headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in head if each)}
        raw = await reader.readexactly(int(headers["content-length"]))
        message = Message(headers["webhook-id"], headers, json.loads(raw), raw)
        for secret in self.secrets:
            message.verify(secret)
        self.attempts.append(message)
        return message

    async def _answer(
        self, message: Message, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        match self.behave(message):
            case "ok":
                self.taken[message.id] += 1
                writer.write(OK)
            case "reset":
                writer.transport.abort()
            case "hangs":
                await self._hang(reader)
            case "endless body":
                writer.write(b"HTTP/1.1 500 Internal Server Error\r\nTransfer-Encoding: chunked\r\n\r\n")
                await _go_on(writer, b"10000\r\n" + MORE + b"\r\n")
            case "endless head":
                writer.write(b"HTTP/1.1 200 OK\r\n")
                await _go_on(writer, b"X-More: " + MORE[:4_000] + b"\r\n")
            case fault:
                writer.write(ANSWERS[fault])
        await writer.drain()

    async def _hang(self, reader: asyncio.StreamReader) -> None:
        self.hanging += 1
        self.changed.set()
        ends = [asyncio.ensure_future(reader.read()), asyncio.ensure_future(self.released.wait())]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
        self.hanging -= 1


async def _go_on(writer: asyncio.StreamWriter, piece: bytes) -> None:
    while not writer.is_closing():
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def receiving(folder: Path, *secrets: str) -> AsyncIterator[Receiver]:
    """On 127.0.0.1. Its certificate is `chain.pem` in `folder`."""
    chain, key = certificate(folder)
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(chain, key)
    port = free_port()
    receiver = Receiver(f"https://127.0.0.1:{port}/imgen", list(secrets))
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", port, ssl=serving)
    try:
        yield receiver
    finally:
        server.close()
    assert receiver.forged == []
