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
    parser.add_argument("verb", choices=("create", "list", "disable"))
    parser.add_argument("name", nargs="?", help="name of the key (create, disable) or its id (disable)")


def run(arguments: argparse.Namespace) -> int:
    if (arguments.name is None) != (arguments.verb == "list"):
        raise UserError(f"usage: imgen keys {arguments.verb}" + ("" if arguments.verb == "list" else " NAME"))
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
