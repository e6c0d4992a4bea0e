"""What `imgen usage` reads in Redis, and how it shows it."""

import argparse
import csv
import re
import sys
from collections import defaultdict
from datetime import date, timedelta

from redis.asyncio import Redis
from rich.table import Table

from cli.console import console
from cli.errors import UserError
from frontend.keys.api_keys import KeyRecord, Keys
from frontend.keys.usage import MAX_DAYS, MEASURES, Usage, Used, UsedRow, today


def first_day(text: str) -> date:
    """Raises UserError."""
    until = today()
    try:
        days = re.fullmatch(r"([0-9]{1,6})d", text)
        since = until - timedelta(days=int(days[1]) - 1) if days else date.fromisoformat(text)
    except (ValueError, OverflowError):
        raise UserError(
            f"--since {text}: expected a day such as {until} or a number of them such as 7d"
        ) from None
    if since > until:
        raise UserError(f"--since {text}: that is still to come")
    if (until - since).days >= MAX_DAYS:
        raise UserError(f"--since {text}: usage is kept for {MAX_DAYS} days")
    return since


async def show(given: argparse.Namespace, since: date, redis: "Redis") -> None:
    """Raises UserError, RedisError."""
    names = _names(await Keys(redis).all(), given.key)
    groups: defaultdict[str, Used] = defaultdict(Used)
    for row in await Usage(redis).rows(tuple(names), since, today()):
        group = _group(row, given.by, names)
        groups[group] += row.used
    if given.csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow((given.by, *MEASURES))
        writer.writerows((name, *_counts(used)) for name, used in sorted(groups.items()))
        return
    table = Table(given.by, box=None)
    for measure in MEASURES:
        table.add_column(measure, justify="right")
    for name, used in (*sorted(groups.items()), ("in all", sum(groups.values(), Used()))):
        table.add_row(name, *(f"{count:,}" for count in _counts(used)))
    console().print(table)


def _names(keys: list[KeyRecord], wanted: str | None) -> dict[str, str]:
    """Of keys by their ids. One name may have been that of several: the others' ids stand beside it."""
    found = {key.id: key.name for key in keys if wanted in (None, key.id, key.name)}
    if wanted is not None and not found:
        raise UserError(f"there is no key {wanted!r}; see `imgen keys list`")
    names = list(found.values())
    return {key: name if names.count(name) == 1 else f"{name} ({key})" for key, name in found.items()}


def _group(row: UsedRow, by: str, names: dict[str, str]) -> str:
    match by:
        case "key":
            return names[row.owner]
        case "day":
            return row.day.isoformat()
        case "model":
            return row.model
    return row.character or "-"


def _counts(used: Used) -> list[int]:
    return [getattr(used, name) for name in MEASURES]
