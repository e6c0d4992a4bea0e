"""`imgen audit`: what was decided and done, in files that prove themselves."""

import argparse
import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import UserError
from cli.help import Commands, command
from cli.redis_access import open_redis

if TYPE_CHECKING:
    from frontend.audit.files import ExportedEntry
    from frontend.audit.log import AuditLog


def add(commands: Commands) -> None:
    examples = (
        "  imgen audit export /mnt/audit            what is new, into files of its own\n"
        "  imgen audit export /mnt/audit --forget   and delete from Redis what is in them\n"
        "  imgen audit verify /mnt/audit            whether anything was changed, here or in Redis"
    )
    text = "The log of verdicts, releases, takedowns, keys, rulesets, characters and erasures"
    parser = command(commands, "audit", text, examples, run)
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    export = verbs.add_parser("export", help="write what is new to a folder")
    export.add_argument("folder", type=Path)
    export.add_argument("--forget", action="store_true", help="delete from Redis what the files hold then")
    export.set_defaults(run=run, act=_export)
    verify = verbs.add_parser("verify", help="check every file of a folder, and that Redis goes on from them")
    verify.add_argument("folder", type=Path)
    verify.add_argument("--offline", action="store_true", help="the files alone, without Redis")
    verify.set_defaults(run=run, act=_verify)


def run(arguments: argparse.Namespace) -> int:
    from frontend.audit.files import AuditFault

    try:
        return int(asyncio.run(arguments.act(arguments)))
    except AuditFault as error:
        raise UserError(str(error)) from None
    except ValueError as error:
        raise UserError(f"the audit log in Redis cannot be read: {error}") from None
    except OSError as error:
        raise UserError(f"{arguments.folder}: {error.strerror or error}") from None


async def _export(arguments: argparse.Namespace) -> int:
    from frontend.audit.files import AuditFiles
    from frontend.audit.log import AuditLog

    files = AuditFiles(arguments.folder)
    last = files.last()
    async with open_redis() as (_, redis):
        log = AuditLog(redis)
        entries = [entry async for entry in log.entries(last.entry if last else "-")]
        written = files.append(entries, last)
        for path in written:
            print(path)
        print(f"{len(entries)} new entries")
        if arguments.forget and (newest := entries[-1].entry if entries else last and last.entry):
            print(f"{await log.forget(newest)} entries deleted from Redis")
    return 0


async def _verify(arguments: argparse.Namespace) -> int:
    from frontend.audit.files import AuditFault, AuditFiles
    from frontend.audit.log import AuditLog

    count, last = 0, None
    for entry in AuditFiles(arguments.folder).read():
        count, last = count + 1, entry
    if not count:
        raise AuditFault(f"{arguments.folder}: no audit-000001.jsonl; `imgen audit export` writes it")
    print(f"{count} entries in files, unchanged")
    if not arguments.offline:
        async with open_redis() as (_, redis):
            print(f"{await _check_redis(AuditLog(redis), last)} newer ones in Redis, unchanged")
    return 0


async def _check_redis(log: "AuditLog", last: "ExportedEntry | None") -> int:
    """How many there are. Raises AuditFault."""
    from frontend.audit.files import AuditFault

    count, digest = 0, last.digest if last else ""
    async for entry in log.entries(last.entry if last else "-"):
        if not entry.follows(digest):
            raise AuditFault(f"Redis: entry {entry.entry} was changed, or one before it is missing")
        digest, count = entry.digest, count + 1
    if await log.head() != digest:
        raise AuditFault("Redis: its newest entries are missing, or it is not the Redis of these files")
    return count
