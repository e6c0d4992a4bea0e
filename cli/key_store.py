"""What `imgen keys` does in Redis, and how it shows it."""

import re

from redis.asyncio import Redis
from rich.table import Table
from rich.text import Text

from cli.console import console
from cli.errors import UserError
from frontend.keys.api_keys import Keys

NAME = re.compile(r"[A-Za-z0-9._@ -]{1,64}")


async def change(verb: str, name: str, redis: "Redis", *, unsafe_url: bool) -> None:
    """Raises UserError, RedisError."""
    keys = Keys(redis)
    match verb:
        case "create":
            await _create(keys, name, unsafe_url)
        case "disable":
            await _disable(keys, name)
        case _:
            await _list(keys)


async def _create(keys: Keys, name: str, unsafe_url: bool) -> None:
    if not NAME.fullmatch(name):
        raise UserError("a key's name has 1 to 64 letters, digits, spaces or . _ @ -")
    if any(record.name == name and not record.disabled for record in await keys.all()):
        raise UserError(f"there is a key {name!r} already; choose another name, or disable it first")
    _, secret = await keys.create(name, unsafe_url=unsafe_url)
    console(stderr=True).print("Shown once, stored nowhere:", style="dim")
    print(secret)


async def _list(keys: Keys) -> None:
    table = Table("id", "name", "created", "state", "unsafe_url", box=None)
    for record in await keys.all():
        state = Text("disabled", "red") if record.disabled else "enabled"
        table.add_row(record.id, record.name, record.created, state, "yes" if record.unsafe_url else "no")
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
