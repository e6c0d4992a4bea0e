"""Following a Redis stream: its ids, and its entries in their order."""

from typing import Any, NamedTuple, Self

from redis.asyncio import Redis

Fields = dict[bytes, bytes]
WAIT_MS = 1_000


class StreamId(NamedTuple):
    """Compares as Redis orders entries."""

    milliseconds: int  # of Redis' clock, when the entry was written
    number: int  # within that millisecond

    @classmethod
    def parse(cls, text: str | bytes) -> Self:
        milliseconds, _, number = (text if isinstance(text, str) else text.decode()).partition("-")
        return cls(int(milliseconds), int(number))

    def __str__(self) -> str:
        return f"{self.milliseconds}-{self.number}"


START = StreamId(0, 0)
Entry = tuple[StreamId, Fields]


class StreamFollower:
    def __init__(self, redis: "Redis", stream: str, batch: int) -> None:
        """`batch`: most entries of one answer; Redis and the event loop do nothing else meanwhile."""
        self._redis = redis
        self._stream = stream
        self._batch = batch

    async def read(self, after: StreamId) -> list[Entry]:
        """What comes after that id; waits for a second where there is nothing yet. Raises RedisError."""
        found: Any = await self._redis.xread({self._stream: str(after)}, count=self._batch, block=WAIT_MS)
        return [(StreamId.parse(entry), fields) for entry, fields in found[0][1]] if found else []

    async def ends(self) -> tuple[StreamId, StreamId] | None:
        """Ids of the oldest and of the newest entry; None: it is empty. Raises RedisError."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.xrange(self._stream, count=1)
            pipe.xrevrange(self._stream, count=1)
            first, last = await pipe.execute()
        return (StreamId.parse(first[0][0]), StreamId.parse(last[0][0])) if first and last else None
