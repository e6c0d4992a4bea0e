"""`imgen erase`: what a customer's key left, removed, and shown to be gone."""

import argparse
import asyncio

from cli.errors import UserError
from cli.help import Commands, command
from cli.redis_access import open_redis


def add(commands: Commands) -> None:
    examples = "  imgen erase --key web-shop --yes"
    text = "Remove a key's prompts, jobs, pictures and name; `verify` still knows its pictures"
    parser = command(commands, "erase", text, examples, run)
    parser.add_argument("--key", required=True, help="name or id; see imgen keys list")
    parser.add_argument("--yes", action="store_true", help="do it: nothing of it can be brought back")


def run(arguments: argparse.Namespace) -> int:
    return asyncio.run(_erase(arguments.key, arguments.yes))


async def _erase(name: str, certain: bool) -> int:
    # Here, because the other commands talk to no store.
    from frontend.actions.erasure import NotErased, erase
    from frontend.jobs.store import JobStore
    from frontend.keys.api_keys import Keys
    from frontend.net.public_url import public_url
    from frontend.storage import StorageError, open_storage

    async with open_redis() as (settings, redis):
        ids = {record.id for record in await Keys(redis).all() if name in (record.id, record.name)}
        if not ids:
            raise UserError(f"there is no key {name!r}; see `imgen keys list`")
        if len(ids) > 1:
            raise UserError(f"there are {len(ids)} keys {name!r}; give the id, see `imgen keys list`")
        if not certain:
            raise UserError(f"this removes every picture and prompt of {name} for good; give --yes to do it")
        (key,) = ids
        try:
            async with open_storage(settings, public_url(settings)) as storage:
                erased = await erase(redis, JobStore(redis, settings), storage, key)
        except NotErased as error:
            raise UserError(str(error)) from None
        except StorageError as error:
            raise UserError(f"files could not be deleted ({error}); give the same command again") from None
    print(
        f"{key}: {erased.jobs} jobs, {erased.pictures} pictures in {erased.files} files and {erased.cached} "
        "entries of the cache removed; nothing of it is left in Redis but numbers"
    )
    return 0
