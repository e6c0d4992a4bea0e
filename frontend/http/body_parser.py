"""From the bytes of a body to its fields: small ones at once, large ones in a cell beside the server."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from frontend.cells.cells import Cells
from frontend.cells.limits import CellLimits, CellRefusal, LimitPassed
from frontend.common.errors import ApiError
from frontend.http.json_object import read_object
from frontend.http.parsed_body import parse, unpack

MAX_AT_ONCE = 1 << 15  # bytes that take the event loop a millisecond or two, whatever they are
CELLS = 2
# Niceness: what is answered on the event loop goes first.
LIMITS = CellLimits(cpu_s=5.0, wall_s=10.0, memory_bytes=1 << 30, niceness=5)


class BodyParser:
    def __init__(self, cells: Cells) -> None:
        """`cells`: with `parse` in their table."""
        self._cells = cells

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls) -> AsyncIterator["BodyParser"]:
        """Its cells are its own: a decoder of pictures never sees a body. They start with large ones."""
        async with Cells.open((parse,), LIMITS, CELLS, on_demand=True) as cells:
            yield cls(cells)

    async def parse(self, raw: bytearray) -> dict[str, Any]:
        """As json_object.read_object, and empties a large body. Raises ApiError 400; 503: no cell starts."""
        if len(raw) <= MAX_AT_ONCE:
            return read_object(raw)
        try:
            answer = await self._cells.run(parse, raw)
            raw.clear()  # as large as what is made of it
            return unpack(answer)
        except CellRefusal as refusal:
            raise ApiError(400, str(refusal)) from None
        except (LimitPassed, msgspec.MsgspecError):
            raise ApiError(400, "Invalid JSON") from None
