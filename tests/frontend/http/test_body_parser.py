"""Large bodies are read in a cell; what is read is the same."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from frontend.cells.cells import Cells
from frontend.common.errors import ApiError
from frontend.http.body_parser import LIMITS, MAX_AT_ONCE, BodyParser
from frontend.http.json_object import MAX_FIELDS, MAX_OTHER_TEXT, Nested, read_object
from frontend.http.parsed_body import parse

FIELDS = {
    "action": "generate",
    "n": 5,
    "f": 0.5,
    "yes": True,
    "no": None,
    "text": "é\u3000😀",
    "list": [[1], {"a": 2}],
}
LARGE = orjson.dumps({**FIELDS, "image": "A" * 100_000})


@pytest.fixture
async def parser() -> AsyncIterator[BodyParser]:
    async with BodyParser.open() as opened:
        yield opened


async def refused(parser: BodyParser, raw: bytes | bytearray) -> str:
    with pytest.raises(ApiError) as error:
        await parser.parse(bytearray(raw))
    assert error.value.status == 400
    return error.value.message


async def test_large_body_reads_as_a_small_one_does(parser: BodyParser) -> None:
    small, large = orjson.dumps(FIELDS), orjson.dumps({**FIELDS, "image": "A" * 3_000_000})
    expected = await parser.parse(bytearray(small))
    sent = {name: value for name, value in FIELDS.items() if value is not None}  # null is not sent
    assert expected == {**sent, "list": expected["list"]} and isinstance(expected["list"], Nested)
    assert await parser.parse(bytearray(large)) == {**expected, "image": "A" * 3_000_000}


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'{"a":NaN}', b'{"a":"\\ud800"}', b'{"a":["\xff"]}', b'{"a":1}{}', b'{"a":' + b"[" * 5_000],
)
async def test_what_is_no_object_is_refused_in_either_size(parser: BodyParser, body: bytes) -> None:
    assert await refused(parser, body) == "Invalid JSON"
    assert await refused(parser, b" " * MAX_AT_ONCE + body) == "Invalid JSON"


async def test_object_of_too_many_fields_is_refused(parser: BodyParser) -> None:
    def body(count: int) -> bytearray:
        return bytearray(orjson.dumps({f"field {number}": number for number in range(count)}))

    assert len(await parser.parse(body(MAX_FIELDS))) == MAX_FIELDS
    assert await refused(parser, body(MAX_FIELDS + 1)) == "Invalid JSON: more than 100 fields"
    assert await refused(parser, body(50_000)) == "Invalid JSON: more than 100 fields"


async def test_long_text_that_is_no_picture_is_cut(parser: BodyParser) -> None:
    found = await parser.parse(
        bytearray(orjson.dumps({"prompt": " " * 10 + "é" * 100_000, "image": "A" * 100_000}))
    )
    assert found == {"prompt": "é" * MAX_OTHER_TEXT, "image": "A" * 100_000}


async def test_nested_values_are_the_same_or_not() -> None:
    def nested(raw: bytes) -> Any:
        return read_object(raw)["a"]

    assert nested(b'{"a":[1,{"b":2}],"c":1}') == nested(b'{"c":2,"a":[1,{"b":2}]}')
    assert nested(b'{"a":[1]}') != nested(b'{"a":[2]}')


async def test_no_cell_starts_before_a_large_body(parser: BodyParser) -> None:
    await parser.parse(bytearray(orjson.dumps(FIELDS)))
    assert not parser._cells.pids
    for _ in range(3):
        await parser.parse(bytearray(LARGE))
    assert len(parser._cells.pids) == 1


async def test_what_is_answered_on_the_event_loop_goes_first(parser: BodyParser) -> None:
    await parser.parse(bytearray(LARGE))
    (pid,) = parser._cells.pids
    assert os.getpriority(os.PRIO_PROCESS, pid) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 5)


async def test_body_that_takes_too_much_memory_is_refused_and_the_next_one_read() -> None:
    async with Cells.open((parse,), replace(LIMITS, memory_bytes=48 << 20), 1) as cells:
        parser = BodyParser(cells)
        assert await refused(parser, orjson.dumps(dict.fromkeys(map(str, range(500_000))))) == "Invalid JSON"
        assert await parser.parse(bytearray(LARGE))


async def test_cell_that_ended_is_replaced(parser: BodyParser) -> None:
    expected = await parser.parse(bytearray(LARGE))
    (pid,) = parser._cells.pids
    os.kill(pid, signal.SIGKILL)
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        await asyncio.sleep(0.01)
    assert await parser.parse(bytearray(LARGE)) == expected


async def test_asker_that_goes_away_leaves_no_answer_to_another(parser: BodyParser) -> None:
    bodies = [orjson.dumps({"number": number, "image": "A" * 1_000_000}) for number in range(12)]
    for body in bodies[:6]:
        task = asyncio.create_task(parser.parse(bytearray(body)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    found = await asyncio.gather(*(parser.parse(bytearray(body)) for body in bodies[6:]))
    assert [fields["number"] for fields in found] == list(range(6, 12))
