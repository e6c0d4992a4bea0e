"""Thirty kinds of hostile clients: python -m perf.hostile_clients PORT KIND…, until it is ended.

It prints a line when all of them have begun. They come from an address of their own, so that what is counted
by address does not fall on the good client. The server knows `KEY`: a customer may be hostile, too.
"""

import asyncio
import contextlib
import gzip
import itertools
import os
import random
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

ADDRESS = "127.0.0.2"
MIB = 1 << 20
BODY = 8 * MIB  # the largest that the server takes by default
NICENESS = 5  # they should cost the server's time, not the processor's that the server would have
ANSWER_S = 5.0
KEY_VARIABLE = "HOSTILE_KEY"  # of the environment: command lines can be read by all
PAUSE_S = 0.01


@dataclass(frozen=True)
class AttackedServer:
    port: int
    key: str
    begun: asyncio.Event  # set at the first connection

    def head(self, *lines: str, key: bool = True, length: int | None = None) -> bytes:
        own = ["POST /api/v2 HTTP/1.1", "Host: api.example", *lines]
        if key:
            own.append(f"Authorization: Bearer {self.key}")
        if length is not None:
            own.append(f"Content-Length: {length}")
        return "\r\n".join([*own, "", ""]).encode()

    def whole(self, body: bytes, *lines: str, key: bool = True) -> bytes:
        return self.head(*lines, key=key, length=len(body)) + body

    @contextlib.asynccontextmanager
    async def connected(self):  # type: ignore[no-untyped-def]
        """Reader and writer."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, local_addr=(ADDRESS, 0), limit=MIB
        )
        self.begun.set()
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


Kind = Callable[[AttackedServer], Coroutine[None, None, None]]
Payload = Callable[[AttackedServer], bytes]


async def again(target: AttackedServer, payload: Payload, *, at_a_time: int = 4, read: bool = True) -> None:
    """Connects, sends, waits for an answer, and so on."""

    async def one() -> None:
        data = payload(target)
        while True:
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                async with asyncio.timeout(ANSWER_S), target.connected() as (reader, writer):
                    writer.write(data)
                    await writer.drain()
                    if read:
                        await reader.read(1)
            await asyncio.sleep(PAUSE_S)

    await asyncio.gather(*(one() for _ in range(at_a_time)))


async def hold(
    target: AttackedServer,
    payload: Payload,
    *,
    connections: int = 200,
    every_s: float = 60.0,
    piece: bytes = b"",
) -> None:
    """Sends, and keeps the connection: silent, or with a piece more every now and then."""

    async def one() -> None:
        data = payload(target)
        while True:
            with contextlib.suppress(OSError):
                async with target.connected() as (reader, writer):
                    writer.write(data)
                    await writer.drain()
                    closed = asyncio.create_task(reader.read())
                    while not closed.done():
                        await asyncio.wait([closed], timeout=every_s)
                        writer.write(piece)
                        await writer.drain()
            await asyncio.sleep(PAUSE_S)

    await asyncio.gather(*(one() for _ in range(connections)))


async def flood(target: AttackedServer, payload: Payload, *, at_a_time: int = 4, read: bool = True) -> None:
    """One request behind the other on the same connections, answers awaited or not even read."""

    async def one() -> None:
        data = payload(target)
        while True:
            with contextlib.suppress(
                OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError
            ):
                async with target.connected() as (reader, writer):
                    while not writer.is_closing():
                        writer.write(data)
                        if read:
                            await reader.readuntil(b"\r\n\r\n")
                        async with asyncio.timeout(ANSWER_S):
                            await writer.drain()
            await asyncio.sleep(PAUSE_S)

    await asyncio.gather(*(one() for _ in range(at_a_time)))


def json_of(unit: bytes, before: bytes = b'{"action":"verify","a":[', after: bytes = b"1]}") -> bytes:
    """As large a body as the server takes."""
    return before + unit * ((BODY - len(before) - len(after)) // len(unit)) + after


def chunked(pieces: Iterable[bytes], *, key: bool = True) -> Payload:
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return lambda target: target.head("Transfer-Encoding: chunked", key=key) + body


def body_of(body: bytes, *lines: str, key: bool = True) -> Payload:
    return lambda target: target.whole(body, *lines, key=key)


def text(data: bytes) -> Payload:
    return lambda target: data.replace(b"KEY", target.key.encode())


def in_image(unit: bytes) -> bytes:
    return json_of(unit, b'{"action":"verify","image":"data:image/png;base64,', b'"}')


GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
KINDS: Mapping[str, Kind] = {
    "silent connections": partial(hold, payload=text(b"")),
    "half a request line": partial(hold, payload=text(b"POST /api/v")),
    "half a head": partial(hold, payload=text(GET)),
    "trickled head": partial(hold, payload=text(GET), every_s=0.5, piece=b"A: b\r\n"),
    "head without end": partial(again, payload=text(GET + b"A: " + b"b" * MIB)),
    "thousand headers": partial(again, payload=text(GET + b"A: b\r\n" * 1000 + b"\r\n")),
    "long URL": partial(again, payload=text(b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\n\r\n")),
    "no HTTP": partial(again, payload=text(random.Random(1).randbytes(10_000))),
    "TLS": partial(again, payload=text(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500))),
    "malformed key": partial(again, payload=text(GET + b"Authorization: Bearer KEY\x01\r\n\r\n")),
    "connections opened and left": partial(again, payload=text(b""), at_a_time=20, read=False),
    "unfinished bodies": partial(
        hold, payload=lambda target: target.head(length=BODY) + b" " * (BODY - 1), connections=40
    ),
    "unfinished bodies without a key": partial(
        hold, payload=lambda target: target.head(key=False, length=BODY) + b" " * (BODY - 1), connections=40
    ),
    "bodies that never begin": partial(hold, payload=lambda target: target.head(length=BODY)),
    "trickled bodies": partial(
        hold, payload=lambda target: target.head(length=BODY), every_s=0.2, piece=b" "
    ),
    "bodies too large": partial(
        again, payload=lambda target: target.head(length=100 * MIB) + b" " * (10 * MIB), at_a_time=2
    ),
    "lists without a key": partial(again, payload=body_of(json_of(b"[],"), key=False), at_a_time=2),
    "lists": partial(again, payload=body_of(json_of(b"[],")), at_a_time=2),
    "fields": partial(again, payload=body_of(json_of(b'"a":1,', b"{", b'"action":"verify"}')), at_a_time=2),
    "deep nesting": partial(again, payload=body_of(json_of(b"[", after=b"")), at_a_time=2),
    "escapes": partial(again, payload=body_of(in_image(b"\\u0041")), at_a_time=2),
    "percent signs": partial(again, payload=body_of(in_image(b"%41")), at_a_time=2),
    "long number": partial(again, payload=body_of(json_of(b"1", b'{"width":', b"}")), at_a_time=2),
    "compressed zeros": partial(
        again, payload=body_of(gzip.compress(bytes(64 * MIB)), "Content-Encoding: gzip"), at_a_time=2
    ),
    "chunks of a byte": partial(again, payload=chunked(itertools.repeat(b" ", MIB)), at_a_time=2),
    "chunks without end": partial(again, payload=chunked(itertools.repeat(b" " * 9000, 2000)), at_a_time=2),
    "bad chunks": partial(
        again, payload=lambda target: target.head("Transfer-Encoding: chunked") + b"5\r\nabcdefg\r\n"
    ),
    "answers not read": partial(flood, payload=body_of(b'{"action":"models"}'), at_a_time=8, read=False),
    "wrong keys": partial(
        flood, payload=text(b"POST /api/v2 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer imgen_x\r\n\r\n")
    ),
    "pictures that are none": partial(
        flood, payload=body_of(b'{"action":"verify","image":"data:image/png;base64,AAAA"}', key=False)
    ),
}


async def attack(port: int, key: str, names: Iterable[str]) -> None:
    targets = {name: AttackedServer(port, key, asyncio.Event()) for name in names}
    async with asyncio.TaskGroup() as group:
        for name, target in targets.items():
            group.create_task(KINDS[name](target))
        for target in targets.values():
            await target.begun.wait()
        print("begun", flush=True)


def main() -> None:
    os.nice(NICENESS)
    port, *names = sys.argv[1:]
    asyncio.run(attack(int(port), os.environ[KEY_VARIABLE], names))


if __name__ == "__main__":
    main()
