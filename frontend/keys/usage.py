"""What keys have used, by day (UTC), model and character. jobs/lua/_usage.lua counts it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from redis.asyncio import Redis

from contract.redis_keys import USAGE, USAGE_KEPT_DAYS, USAGE_PREFIX

MAX_DAYS = int(USAGE_KEPT_DAYS)
HASHES_AT_ONCE = 100  # Redis answers nobody else meanwhile


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """How much. The fields are the measures."""

    jobs: Annotated[int, Meta(description="Accepted, cached answers included", examples=[12])] = 0
    pictures: Annotated[int, Meta(description="Drawn, blocked ones included", examples=[9])] = 0
    blocked: Annotated[int, Meta(description="Of these, judged unsafe", examples=[1])] = 0
    cached: Annotated[int, Meta(description="Answers from the cache", examples=[3])] = 0
    engine_ms: Annotated[
        int, Meta(description="Milliseconds that the networks took for the pictures", examples=[41200])
    ] = 0
    bytes: Annotated[int, Meta(description="Of the pictures' files", examples=[1482133])] = 0

    def __add__(self, other: "Used") -> "Used":
        return Used(**{name: getattr(self, name) + getattr(other, name) for name in MEASURES})


MEASURES = Used.__struct_fields__


class UsedRow(msgspec.Struct, frozen=True, kw_only=True):
    owner: str  # the key's id
    day: date
    model: str
    character: str  # "" for none
    used: Used


class Usage:
    def __init__(self, redis: "Redis") -> None:
        self._redis = redis

    async def rows(self, owners: Sequence[str], since: date, until: date) -> list[UsedRow]:
        """Both days included; at most MAX_DAYS are kept."""
        days = [since + timedelta(days=number) for number in range((until - since).days + 1)]
        wanted = [(owner, day) for day in days for owner in owners]
        found: list[UsedRow] = []
        for at in range(0, len(wanted), HASHES_AT_ONCE):
            part = wanted[at : at + HASHES_AT_ONCE]
            async with self._redis.pipeline(transaction=False) as pipe:
                for owner, day in part:
                    pipe.hgetall(f"{USAGE_PREFIX}{owner}:{day.isoformat()}")
                for (owner, day), counts in zip(part, await pipe.execute(), strict=True):
                    found += _rows(owner, day, counts)
        return found

    async def ever(self) -> dict[str, int]:
        """Of all keys, by measure, since the first count."""
        found: list[Any] = await self._redis.hmget(USAGE, MEASURES)
        return {name: int(count or 0) for name, count in zip(MEASURES, found, strict=True)}


def today() -> date:
    return datetime.now(UTC).date()


def total(rows: Iterable[UsedRow]) -> Used:
    return sum((row.used for row in rows), Used())


def _rows(owner: str, day: date, counts: dict[bytes, bytes]) -> list[UsedRow]:
    by_picture: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for name, count in counts.items():
        measure, model, character = name.decode().split(":")
        if measure in MEASURES:  # a newer version may know more
            by_picture[model, character][measure] = int(count)
    return [
        UsedRow(owner=owner, day=day, model=model, character=character, used=Used(**told))
        for (model, character), told in sorted(by_picture.items())
    ]
