"""What `imgen keys` does in Redis, and how it shows it."""

import re

from redis.asyncio import Redis
from rich.table import Table
from rich.text import Text

from cli.console import console
from cli.errors import UserError
from frontend.keys.api_keys import Keys

NAME = re.compile(r"[A-Za-z0-9._@ -]{1,64}")


async def change(verb: str, name: str, redis: "Redis") -> None:
    """Raises UserError, RedisError."""
    await {"create": _create, "list": _list, "disable": _disable}[verb](Keys(redis), name)


async def _create(keys: Keys, name: str) -> None:
    if not NAME.fullmatch(name):
        raise UserError("a key's name has 1 to 64 letters, digits, spaces or . _ @ -")
    if any(record.name == name and not record.disabled for record in await keys.all()):
        raise UserError(f"there is a key {name!r} already; choose another name, or disable it first")
    _, secret = await keys.create(name)
    console(stderr=True).print("Shown once, stored nowhere:", style="dim")
    print(secret)


async def _list(keys: Keys, name: str) -> None:
    table = Table("id", "name", "created", "state", box=None)
    for record in await keys.all():
        state = Text("disabled", "red") if record.disabled else "enabled"
        table.add_row(record.id, record.name, record.created, state)
    console().print(table)


async def _disable(keys: Keys, name: str) -> None:
    try:
        disabled = await keys.disable(name)
    except KeyError:
        raise UserError(f"there is no key {name!r}; see `imgen keys list`") from None
    for record in disabled:
        print(f"disabled {record.name} ({record.id})")
    if not disabled:
        print(f"{name} was disabled already")
