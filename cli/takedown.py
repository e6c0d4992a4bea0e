"""`imgen takedown`: a picture that must not be handed out any more."""

import argparse
import asyncio
import re

from cli.errors import UserError
from cli.help import Commands, command
from cli.redis_access import open_redis

GEN_ID = re.compile(r"[a-z0-9]{16,40}")


def add(commands: Commands) -> None:
    examples = "  imgen takedown a1b2c3d4e5f6g7h8i9j0"
    text = "Delete a picture everywhere: its files, its place in the cache and in the registry"
    parser = command(commands, "takedown", text, examples, run)
    parser.add_argument("gen_id", help="the picture's gen_id, which its files' names begin with")


def run(arguments: argparse.Namespace) -> int:
    if not GEN_ID.fullmatch(arguments.gen_id):
        raise UserError("a gen_id is 16 to 40 of a-z and 0-9: a picture's file name begins with it")
    return asyncio.run(_take_down(arguments.gen_id))


async def _take_down(gen_id: str) -> int:
    # Here, because the other commands talk to no store.
    from frontend.actions.takedown import NotRegistered, take_down
    from frontend.jobs.store import JobStore
    from frontend.net.public_url import public_url
    from frontend.storage import StorageError, open_storage

    async with open_redis() as (settings, redis):
        try:
            async with open_storage(settings, public_url(settings)) as storage:
                taken = await take_down(redis, JobStore(redis, settings), storage, gen_id)
        except NotRegistered:
            raise UserError(f"no picture {gen_id} is registered; is this its system's Redis?") from None
        except StorageError as error:
            raise UserError(
                f"no server hands {gen_id} out any more, but its files are still there ({error}); "
                "give the same command again"
            ) from None
    ended = f"{taken.jobs} job{'' if taken.jobs == 1 else 's'}"
    how = "had been taken down before" if taken.before else f"taken down; {ended} showed it"
    print(f"{gen_id}: {how}; {taken.files} files deleted")
    return 0
