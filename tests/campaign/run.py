"""One campaign: load, faults, then quiet, then the audit."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from redis.asyncio import Redis

from frontend.common.redis_connection import connect
from frontend.keys.api_keys import Keys
from tests.campaign.auditor import Findings, look
from tests.campaign.clients import Clients
from tests.campaign.faults import Faults
from tests.campaign.fleet import campaign_fleet

CLIENTS = 8
PATIENCE_S = 7_200.0
TELL_EVERY_S = 15.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    seed: int
    store: str  # bucket or folder
    findings: Findings
    faults: Counter[str]
    ends: Counter[str]  # as clients were told
    left_out: list[str]


async def campaign(
    folder: Path, jobs: int, seed: int, tell: Callable[[str], None] = lambda _: None
) -> Outcome:
    """Pictures of even seeds lie in a bucket, those of odd ones in a folder. `tell` hears how far it is."""
    bucket = seed % 2 == 0
    async with (
        campaign_fleet(folder, seed, bucket=bucket) as fleet,
        contextlib.aclosing(connect(fleet.redis.url)) as redis,
        aiohttp.ClientSession() as http,
        asyncio.timeout(PATIENCE_S),
    ):
        key, secret = await Keys(redis).create("campaign")
        clients, faults = Clients(fleet, secret, http, jobs), Faults(fleet, seed)

        async def tell_progress() -> None:
            while True:
                tell(f"seed {seed}: {clients.ends.total()} of {jobs} jobs, {faults.counts.total()} faults")
                await asyncio.sleep(TELL_EVERY_S)

        beside = [asyncio.create_task(faults.run()), asyncio.create_task(tell_progress())]
        drawing = asyncio.create_task(clients.run(CLIENTS))
        try:
            await asyncio.wait([drawing, *beside], return_when=asyncio.FIRST_COMPLETED)
            for task in (drawing, *beside):
                if task.done():
                    task.result()  # an error of ours ends the campaign
        finally:
            for task in (drawing, *beside):
                task.cancel()
            await asyncio.gather(drawing, *beside, return_exceptions=True)
        async with Redis(port=await fleet.redis.master()) as reader:
            found = await look(reader, fleet.pictures, key.id, clients.accepted, clients.shown)
        return Outcome(
            seed=seed,
            store="bucket" if bucket else "folder",
            findings=found,
            faults=faults.counts,
            ends=clients.ends,
            left_out=fleet.left_out,
        )
