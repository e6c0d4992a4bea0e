"""`imgen keys`: who may use the API."""

import argparse
import asyncio

from cli.help import Commands, command
from cli.redis_access import open_redis


def add(commands: Commands) -> None:
    examples = (
        "  imgen keys create studio-a\n  imgen keys create web-shop --no-unsafe-url\n  imgen keys list\n"
        "  imgen keys disable studio-a"
    )
    parser = command(commands, "keys", "Create, list and disable API keys", examples, run)
    parser.set_defaults(verb="list", name="", unsafe_url=True)
    verbs = parser.add_subparsers(metavar="VERB")
    creator = verbs.add_parser("create", help="make a key and print it, once")
    creator.add_argument("name", help="who it is for: 1 to 64 letters, digits, spaces or . _ @ -")
    creator.add_argument(
        "--no-unsafe-url",
        dest="unsafe_url",
        action="store_false",
        help="it is never told the link of a picture that was blocked",
    )
    creator.set_defaults(verb="create")
    verbs.add_parser("list", help="the keys' names and states").set_defaults(verb="list")
    disabler = verbs.add_parser("disable", help="refuse a key from now on, on every server")
    disabler.add_argument("name", help="its name or id")
    disabler.set_defaults(verb="disable")


def run(arguments: argparse.Namespace) -> int:
    return asyncio.run(_change(arguments.verb, arguments.name, arguments.unsafe_url))


async def _change(verb: str, name: str, unsafe_url: bool) -> int:
    from cli.key_store import change

    async with open_redis() as (_, redis):
        await change(verb, name, redis, unsafe_url=unsafe_url)
    return 0
