"""Large bodies are read in another process; what is read is the same."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from frontend.common.errors import ApiError
from frontend.http.body_parser import MAX_AT_ONCE, BodyParser
from frontend.http.json_object import MAX_FIELDS, MAX_OTHER_TEXT, Nested, read_object

FIELDS = {
    "action": "generate",
    "n": 5,
    "f": 0.5,
    "yes": True,
    "no": None,
    "text": "é\u3000😀",
    "list": [[1], {"a": 2}],
}


@pytest.fixture
async def parser() -> AsyncIterator[BodyParser]:
    opened = BodyParser(processes=1)
    yield opened
    await opened.close()


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


async def test_process_that_ended_is_replaced(parser: BodyParser) -> None:
    large = orjson.dumps({**FIELDS, "image": "A" * 100_000})
    expected = await parser.parse(bytearray(large))
    (process,) = parser._idle
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    assert await parser.parse(bytearray(large)) == expected


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
