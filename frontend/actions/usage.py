"""`usage`: what the key itself has used, and how much it may."""

from datetime import timedelta
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from frontend.actions.context import Call
from frontend.keys.api_keys import KeyTerms
from frontend.keys.usage import MAX_DAYS, Used, today, total

DAYS = 30
_USED = {"jobs": 12, "pictures": 9, "blocked": 1, "cached": 3, "engine_ms": 41200, "bytes": 1482133}


class UsageRequest(msgspec.Struct, frozen=True, kw_only=True, tag_field="action", tag="usage"):
    """Tells what this key has used, by day (UTC)."""

    days: Annotated[int, Meta(ge=1, le=MAX_DAYS, description="How many, today included", examples=[7])] = DAYS


class UsedDay(Used, frozen=True, kw_only=True):
    """What was used in one day."""

    day: Annotated[str, Meta(description="UTC", examples=["2026-11-29"])]


class KeyLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Of this key; those that are missing follow from the server's settings, or there are none."""

    rate: Annotated[float | UnsetType, Meta(description="Requests a second", examples=[20.0])] = UNSET
    daily: Annotated[int | UnsetType, Meta(description="Jobs in a day (UTC)", examples=[1000])] = UNSET
    monthly: Annotated[
        int | UnsetType, Meta(description="Pictures drawn in a month (UTC)", examples=[20000])
    ] = UNSET
    concurrent: Annotated[int | UnsetType, Meta(description="Pictures drawn at a time", examples=[2])] = UNSET
    expires: Annotated[
        str | UnsetType,
        Meta(description="When the key ends, UTC", examples=["2027-01-31T00:00:00+00:00"]),
    ] = UNSET  # fmt: skip
    priority: Annotated[str, Meta(description="`interactive`, `normal` or `batch`", examples=["normal"])]


class UsageAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What this key has used, and its limits."""

    total: Annotated[Used, Meta(description="Of these days together")]
    days: Annotated[
        tuple[UsedDay, ...],
        Meta(
            description="The earliest first; those without any use are left out",
            examples=[[{"day": "2026-11-29", **_USED}]],
        ),
    ]
    limits: Annotated[KeyLimits, Meta(description="What the key was given")]


async def usage(call: Call[UsageRequest]) -> UsageAnswer:
    until = today()
    since = until - timedelta(days=call.asked.days - 1)
    rows = await call.services.usage.rows([call.key.id], since, until)
    by_day = {row.day: [each for each in rows if each.day == row.day] for row in rows}
    return UsageAnswer(
        total=total(rows),
        days=tuple(
            UsedDay(day=day.isoformat(), **msgspec.structs.asdict(total(of_day)))
            for day, of_day in by_day.items()
        ),
        limits=_limits(call.key),
    )


def _limits(terms: KeyTerms) -> KeyLimits:
    return KeyLimits(
        rate=terms.rate or UNSET,
        daily=terms.daily or UNSET,
        monthly=terms.monthly or UNSET,
        concurrent=terms.concurrent or UNSET,
        expires=terms.expires or UNSET,
        priority=terms.priority,
    )
