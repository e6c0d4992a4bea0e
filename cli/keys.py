"""`imgen keys`: who may use the API."""

import argparse
import asyncio
import re

from redis.exceptions import RedisError
from rich.console import Console
from rich.table import Table

from cli.errors import UserError
from cli.help import Commands, command
from cli.instance import Instance
from frontend.database import connect
from frontend.keys import Keys
from frontend.settings import Settings, load

NAME = re.compile(r"[A-Za-z0-9._@ -]{1,64}")


def add(commands: Commands) -> None:
    examples = "  imgen keys create studio-a\n  imgen keys list\n  imgen keys disable studio-a"
    parser = command(commands, "keys", "Create, list and disable API keys", examples, run)
    parser.add_argument("verb", choices=("create", "list", "disable"))
    parser.add_argument("name", nargs="?", help="name of the key (create, disable) or its id (disable)")


def run(arguments: argparse.Namespace) -> int:
    if (arguments.name is None) != (arguments.verb == "list"):
        raise UserError(f"usage: imgen keys {arguments.verb}" + ("" if arguments.verb == "list" else " NAME"))
    settings = load()
    if not settings.redis_url:
        running = Instance(settings.data_dir).running()
        settings = Settings(redis_url=running.redis_url)
    try:
        return asyncio.run(_run(arguments.verb, arguments.name, settings))
    except (RedisError, OSError) as error:
        raise UserError(f"Redis does not answer ({type(error).__name__}); check IMGEN_REDIS_URL") from None


async def _run(verb: str, name: str, settings: Settings) -> int:
    redis = connect(settings)
    try:
        await {"create": _create, "list": _list, "disable": _disable}[verb](Keys(redis), name)
    finally:
        await redis.aclose()
    return 0


async def _create(keys: Keys, name: str) -> None:
    if not NAME.fullmatch(name):
        raise UserError("a key's name has 1 to 64 letters, digits, spaces or . _ @ -")
    _, secret = await keys.create(name)
    Console(stderr=True).print("[dim]Shown once, stored nowhere:[/]")
    print(secret)


async def _list(keys: Keys, name: str) -> None:
    table = Table("id", "name", "created", "state", box=None)
    for record in await keys.all():
        state = "[red]disabled[/]" if record.disabled else "enabled"
        table.add_row(record.id, record.name, record.created, state)
    Console().print(table)


async def _disable(keys: Keys, name: str) -> None:
    try:
        disabled = await keys.disable(name)
    except KeyError:
        raise UserError(f"there is no key {name!r}; see `imgen keys list`") from None
    for record in disabled:
        print(f"disabled {record.name} ({record.id})")
