"""What a stranger sends in the hope that a log repeats it to a terminal, and what of a log would do that."""

import asyncio
import logging
from collections.abc import Iterable

from frontend.common.printable import is_printable

EVIL = "\x1b[2J\r\x9b1A\u202e"
_BYTES = EVIL.encode()
_REQUESTS = (
    b"GET /" + _BYTES + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    _BYTES + b" / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/" + _BYTES + b"\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nA: " + _BYTES + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n" + _BYTES + b": a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: [" + "\x9b\u202e".encode() + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: " + "\x9b\u202e".encode() + b"\r\n\r\n",
    b"GET //[" + "\x9b\u202e".encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + _BYTES,
    b"POST / HTTP/1.1\r\nHost: x\r\nExpect: " + "\x9b\u202e".encode() + b"\r\nContent-Length: 3\r\n\r\nabc",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
)


async def send_all(port: int, *paths: str) -> None:
    """Each on a connection of its own, to each path, until its answer has begun."""
    for path in paths:
        for request in _REQUESTS:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request.replace(b" / ", f" {path} ".encode()))
            async with asyncio.timeout(10):
                await reader.read(1)
            writer.transport.abort()


def unprintable(records: Iterable[logging.LogRecord]) -> set[str]:
    """Of what acs and llm write, which keep no log of accesses."""
    lines = (logging.Formatter().format(record) for record in records if record.name != "aiohttp.access")
    return {char for char in "\n".join(lines) if char != "\n" and not is_printable(char)}
