"""gRPC calls written by hand, which may say what no library sends: RFC 9113, and HPACK without its tables."""

import asyncio
import re
import struct
from collections.abc import Sequence

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS = 0, 1, 4
END_STREAM, END_HEADERS = 1, 4
SERVICE = b"/inference.GRPCInferenceService/"
Header = tuple[bytes, bytes]


async def call(socket: str, method: str, message: bytes, headers: Sequence[Header] = ()) -> bytes:
    """What the server says until it names a status or hangs up."""
    fixed: list[Header] = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", SERVICE + method.encode()),
        (b":authority", b"localhost"),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
    ]
    block = b"".join(_literal(name) + _text(value) for name, value in [*fixed, *headers])
    body = b"\0" + struct.pack(">I", len(message)) + message
    reader, writer = await asyncio.open_unix_connection(socket)
    try:
        writer.write(
            PREFACE
            + _frame(SETTINGS, 0, 0, b"")
            + _frame(HEADERS, END_HEADERS, 1, block)
            + _frame(DATA, END_STREAM, 1, body)
        )
        said = b""
        async with asyncio.timeout(10):
            while not re.search(rb"grpc-status.", said, re.DOTALL) and (more := await reader.read(65_536)):
                said += more
        return said
    finally:
        writer.close()


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def _literal(name: bytes) -> bytes:
    return b"\0" + _text(name)  # without indexing


def _text(value: bytes) -> bytes:
    assert len(value) < 127
    return bytes([len(value)]) + value
