"""Reads large bodies for an API server (body_parser.py), so that its event loop need not.

python -m frontend.http.parser_process: bodies come in and answers go out, each behind its length in 4 bytes.
"""

import os
import resource
import sys
from typing import BinaryIO

import msgspec

from frontend.common.errors import ApiError
from frontend.http.json_object import Nested, read_object, shorten

LENGTH = 4  # bytes, little-endian
MAX_MEMORY = 1 << 30
NICENESS = 5  # what is answered on the event loop goes first


class ParsedBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is told of a body. `nested`: digests by name; `error`: the words of an ApiError 400."""

    plain: dict[str, str | int | float | bool | None] = {}
    nested: dict[str, str] = {}
    error: str = ""

    def fields(self) -> dict[str, object]:
        """As json_object.read_object gives them. Raises ApiError 400."""
        if self.error:
            raise ApiError(400, self.error)
        return {**self.plain, **{name: Nested(digest) for name, digest in self.nested.items()}}


def parse(raw: bytes) -> ParsedBody:
    try:
        fields = shorten(read_object(raw))
    except ApiError as error:
        return ParsedBody(error=error.message)
    nested = {name: value.digest for name, value in fields.items() if isinstance(value, Nested)}
    return ParsedBody({name: value for name, value in fields.items() if name not in nested}, nested)


def serve(incoming: BinaryIO, outgoing: BinaryIO) -> None:
    """Until the incoming stream ends."""
    while length := incoming.read(LENGTH):
        answer = msgspec.msgpack.encode(parse(incoming.read(int.from_bytes(length, "little"))))
        outgoing.write(len(answer).to_bytes(LENGTH, "little"))
        outgoing.write(answer)
        outgoing.flush()


def main() -> None:
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
