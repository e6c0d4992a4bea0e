"""`imgen keys`: who may use the API, and how much of it."""

import argparse
import asyncio

from cli.help import Commands, command
from cli.redis_access import open_redis

# Flag, what its value is called, what it is. Of each 0 means: as the settings say, or no limit.
LIMITS = (
    ("rate", "N", "requests a second, of any kind"),
    ("daily", "N", "jobs in a day (UTC)"),
    ("monthly", "N", "pictures drawn in a month (UTC)"),
    ("concurrent", "N", "pictures drawn at a time"),
)
PRIORITIES = ("interactive", "normal", "batch")
SCOPES = ("generate", "verify")


def add(commands: Commands) -> None:
    examples = (
        "  imgen keys create studio-a\n"
        "  imgen keys create web-shop --rate 20 --daily 1000 --expires 90d --no-unsafe-url\n"
        "  imgen keys set web-shop --monthly 20000 --priority batch\n"
        "  imgen keys rotate studio-a --grace 24h\n"
        "  imgen keys list\n  imgen keys disable studio-a\n  imgen keys webhook-secret studio-a"
    )
    text = "Create, list, change, rotate and disable API keys"
    parser = command(commands, "keys", text, examples, run)
    parser.set_defaults(verb="list", name="", retire_older=False)
    verbs = parser.add_subparsers(metavar="VERB")
    creator = verbs.add_parser("create", help="make a key and print it, once")
    creator.add_argument("name", help="who it is for: 1 to 64 letters, digits, spaces or . _ @ -")
    _add_terms(creator)
    creator.set_defaults(verb="create")
    setter = verbs.add_parser("set", help="change a key's limits, from the next request on")
    setter.add_argument("name", help="its name or id")
    _add_terms(setter)
    setter.set_defaults(verb="set")
    verbs.add_parser("list", help="the keys' names, states and limits").set_defaults(verb="list")
    rotator = verbs.add_parser("rotate", help="make a new secret of a key and print it, once")
    rotator.add_argument("name", help="its name or id")
    rotator.add_argument(
        "--grace", default="24h", metavar="TIME", help="how long the one before stays valid; by default 24h"
    )
    rotator.set_defaults(verb="rotate")
    disabler = verbs.add_parser("disable", help="refuse a key from now on, on every server")
    disabler.add_argument("name", help="its name or id")
    disabler.set_defaults(verb="disable")
    signer = verbs.add_parser(
        "webhook-secret",
        help="make a secret that its webhooks are signed with and print it, once; the one before stays valid",
    )
    signer.add_argument("name", help="the key's name or id")
    signer.add_argument(
        "--retire-older",
        action="store_true",
        help="make none: from now on the newest alone signs, as the receiver has gone over to it",
    )
    signer.set_defaults(verb="webhook-secret")


def _add_terms(parser: argparse.ArgumentParser) -> None:
    for name, value, text in LIMITS:
        parser.add_argument(f"--{name}", metavar=value, help=f"{text}; 0: no limit of its own")
    parser.add_argument(
        "--priority", choices=PRIORITIES, help="whose turn comes first in the queue; by default normal"
    )
    parser.add_argument(
        "--expires", metavar="WHEN", help="90d, 12h, 2027-01-31 (its first moment, UTC) or never"
    )
    parser.add_argument("--note", help="at most 200 characters, for `imgen keys list` alone")
    parser.add_argument(
        "--scope", choices=SCOPES, help="what it may do: generate is everything, verify that alone"
    )
    parser.add_argument(
        "--unsafe-url",
        action=argparse.BooleanOptionalAction,
        help="whether it is told the link of a picture that was blocked; by default it is",
    )


def run(arguments: argparse.Namespace) -> int:
    return asyncio.run(_change(arguments))


async def _change(given: argparse.Namespace) -> int:
    from cli.key_store import change

    async with open_redis() as (_, redis):
        await change(given, redis)
    return 0
