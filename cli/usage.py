"""`imgen usage`: what keys have used."""

import argparse
import asyncio

from cli.help import Commands, command
from cli.redis_access import open_redis

DAYS = 30
BY = ("key", "day", "model", "character")


def add(commands: Commands) -> None:
    examples = (
        "  imgen usage\n  imgen usage --since 7d --key web-shop --by day\n"
        "  imgen usage --since 2026-11-01 --by model --csv > november.csv"
    )
    text = "Show what keys have used: jobs, pictures, blocked, cached, engine time, bytes"
    parser = command(commands, "usage", text, examples, run)
    parser.add_argument(
        "--since",
        default=f"{DAYS}d",
        metavar="WHEN",
        help=f"a day (2026-11-01, UTC) or so many days, today included (7d); by default {DAYS}d",
    )
    parser.add_argument("--by", choices=BY, default="key", help="what each row is of; by default key")
    parser.add_argument("--key", metavar="NAME", help="of this key alone: its name or id")
    parser.add_argument("--csv", action="store_true", help="comma-separated, with a line of names, to stdout")


def run(arguments: argparse.Namespace) -> int:
    return asyncio.run(_show(arguments))


async def _show(given: argparse.Namespace) -> int:
    from cli.usage_report import first_day, show

    since = first_day(given.since)
    async with open_redis() as (_, redis):
        await show(given, since, redis)
    return 0
