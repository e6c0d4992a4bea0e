import pytest
from redis.asyncio import Redis

from frontend.common.redis_stream import START, StreamFollower, StreamId


def test_ids_compare_by_number_and_are_written_as_they_were_read() -> None:
    assert START < StreamId.parse("9-10") < StreamId.parse(b"10-2") < StreamId.parse("10-10")
    assert str(StreamId.parse("1700000000000-7")) == "1700000000000-7"
    with pytest.raises(ValueError):
        StreamId.parse("cache")


async def test_entries_come_in_batches_in_their_order_each_once(redis: "Redis") -> None:
    stream = StreamFollower(redis, "tests:stream", batch=2)
    assert await stream.ends() is None
    for number in range(5):
        await redis.xadd("tests:stream", {"n": number})
    seen: list[int] = []
    after = START
    while len(seen) < 5:
        entries = await stream.read(after)
        assert 1 <= len(entries) <= 2
        seen += [int(fields[b"n"]) for _, fields in entries]
        after = entries[-1][0]
    assert seen == [0, 1, 2, 3, 4]
    ends = await stream.ends()
    assert ends is not None
    assert ends[0] < ends[1] == after


async def test_nothing_new_is_an_empty_answer_after_a_moment(redis: "Redis") -> None:
    stream = StreamFollower(redis, "tests:stream", batch=2)
    last = StreamId.parse(await redis.xadd("tests:stream", {"n": 1}))
    assert await stream.read(last) == []
