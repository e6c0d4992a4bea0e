"""`imgen keys`: who may use the API."""

import argparse
import asyncio

from cli.errors import UserError
from cli.help import Commands, command
from cli.instance import Instance
from frontend.settings import Settings, load


def add(commands: Commands) -> None:
    examples = "  imgen keys create studio-a\n  imgen keys list\n  imgen keys disable studio-a"
    parser = command(commands, "keys", "Create, list and disable API keys", examples, run)
    parser.set_defaults(verb="list", name="")
    verbs = parser.add_subparsers(metavar="VERB")
    creator = verbs.add_parser("create", help="make a key and print it, once")
    creator.add_argument("name", help="who it is for: 1 to 64 letters, digits, spaces or . _ @ -")
    creator.set_defaults(verb="create")
    verbs.add_parser("list", help="the keys' names and states").set_defaults(verb="list")
    disabler = verbs.add_parser("disable", help="refuse a key from now on, on every server")
    disabler.add_argument("name", help="its name or id")
    disabler.set_defaults(verb="disable")


def run(arguments: argparse.Namespace) -> int:
    # Here, because the other commands talk to no Redis.
    from redis.exceptions import RedisError

    from cli.key_store import change

    settings = load()
    if not settings.redis_url:
        running = Instance(settings.data_dir).running()
        settings = Settings(redis_url=running.redis_url)
    try:
        return asyncio.run(change(arguments.verb, arguments.name, settings))
    except (RedisError, OSError) as error:
        raise UserError(f"Redis does not answer ({type(error).__name__}); check IMGEN_REDIS_URL") from None
