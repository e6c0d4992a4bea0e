"""`imgen cache`: what may be handed out again."""

import argparse
import asyncio

from cli.help import Commands, command
from cli.redis_access import open_redis


def add(commands: Commands) -> None:
    text = "Empty the semantic cache, on every server"
    parser = command(commands, "cache", text, "  imgen cache clear", run)
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    verbs.add_parser("clear", help="no picture that was made before now is handed out again")


def run(arguments: argparse.Namespace) -> int:
    return asyncio.run(_clear())


async def _clear() -> int:
    from frontend.cache.log import Log

    async with open_redis() as (settings, redis):
        await Log(redis, settings.cache_capacity).clear()
    print("the cache is empty; pictures that are judged from now on enter it")
    return 0
