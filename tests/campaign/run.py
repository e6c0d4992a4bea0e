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
from frontend.common.supervised import in_background
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

        async def draw() -> None:
            try:
                await clients.run(CLIENTS)
            finally:
                faults.ending = True

        async with in_background(tell_progress()), asyncio.TaskGroup() as both:  # an error of ours ends it
            both.create_task(faults.run())
            both.create_task(draw())
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
