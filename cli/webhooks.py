"""`imgen webhooks`: what became of the deliveries, and one of them again."""

import argparse
import asyncio
import re
import time
from typing import TYPE_CHECKING

from cli.errors import UserError
from cli.help import Commands, command
from cli.redis_access import open_redis

if TYPE_CHECKING:
    from frontend.webhooks.store import DeliveryStore

JOB_ID = re.compile(r"(run|cache)_[a-z0-9]{16,40}")
SHOWN = 50
MAX_SHOWN = 10_000


def add(commands: Commands) -> None:
    text = "List the deliveries of webhooks of the last day, or deliver one again"
    examples = "  imgen webhooks list\n  imgen webhooks replay run_k3v9q0x2m5t8w1z4c7b6"
    parser = command(commands, "webhooks", text, examples, run)
    parser.set_defaults(verb="list", last=SHOWN)
    verbs = parser.add_subparsers(metavar="VERB")
    lister = verbs.add_parser("list", help="the latest first, with what came of the last attempt")
    lister.add_argument("--last", type=int, default=SHOWN, metavar="N", help=f"how many; by default {SHOWN}")
    lister.set_defaults(verb="list")
    replayer = verbs.add_parser("replay", help="try again now, for another hour, under the same webhook-id")
    replayer.add_argument("job", help="the job's id, which is the webhook-id, too")
    replayer.set_defaults(verb="replay")


def run(arguments: argparse.Namespace) -> int:
    if arguments.verb == "replay":
        if not JOB_ID.fullmatch(arguments.job):
            raise UserError("a job's id is run_ or cache_ and 16 to 40 of a-z and 0-9")
        return asyncio.run(_replay(arguments.job))
    if not 1 <= arguments.last <= MAX_SHOWN:
        raise UserError(f"--last {arguments.last}: expected 1 to {MAX_SHOWN}")
    return asyncio.run(_list(arguments.last))


async def _list(last: int) -> int:
    from frontend.keys.api_keys import Keys
    from frontend.webhooks.store import DeliveryStore

    async with open_redis() as (_, redis):
        names = {key.id: key.name for key in await Keys(redis).all()}
        await _show(DeliveryStore(redis), names, last)
    return 0


async def _show(store: "DeliveryStore", names: dict[str, str], last: int) -> None:
    from rich.table import Table

    from cli.console import console

    table = Table("job", "key", "receiver", "state", "tries", "last outcome", "next try", box=None)
    for each in await store.list(last):
        wait_s = max(0.0, each.due - time.time())
        following = f"in {wait_s:.0f} s" if each.due else ""
        name = names.get(each.owner, each.owner)
        table.add_row(
            each.job_id, name, each.receiver, each.state.value, str(each.tries), each.outcome, following
        )
    console().print(table)


async def _replay(job: str) -> int:
    from frontend.webhooks.store import DeliveryStore

    async with open_redis() as (_, redis):
        outcome = await DeliveryStore(redis).replay(job)
    match outcome:
        case "gone":
            raise UserError(f"no webhook of {job} is kept: it had none, or it ended more than a day ago")
        case "expired":
            raise UserError(f"{job} has expired: there is nothing to tell any more")
    how_long = "an hour" if outcome == "replayed" else "what is left of its hour"
    print(f"{job}: its webhook is tried now, and again for {how_long}")
    return 0
