"""One campaign: load, faults, then quiet, then the audit."""

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from frontend.common.redis_connection import connect
from frontend.keys.api_keys import Keys
from tests.campaign.auditor import Findings, look
from tests.campaign.clients import Clients
from tests.campaign.fleet import campaign_fleet

CLIENTS = 6
PATIENCE_S = 7_200.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    findings: Findings
    faults: Counter[str]

    @property
    def row(self) -> list[object]:
        found = self.findings
        counts = (
            found.accepted,
            self.faults.total(),
            len(found.lost),
            len(found.twice),
            len(found.unreviewed),
        )
        return [*counts, found.usage or "exact", found.audit or "whole"]

    @property
    def line(self) -> str:
        told = ", ".join(f"{fault} {count}" for fault, count in sorted(self.faults.items()))
        problems = [*self.findings.lost[:5], *self.findings.twice[:5], *self.findings.unreviewed[:5]]
        return f"{self.findings.accepted} jobs; {told}; {problems or 'nothing amiss'}"


async def campaign(folder: Path, jobs: int, seed: int) -> Outcome:
    async with (
        campaign_fleet(folder, seed) as fleet,
        contextlib.aclosing(connect(fleet.redis.url)) as redis,
        aiohttp.ClientSession() as http,
        asyncio.timeout(PATIENCE_S),
    ):
        key, secret = await Keys(redis).create("campaign")
        clients = Clients(fleet, secret, http, jobs)
        harming = asyncio.create_task(fleet.harm())
        drawing = asyncio.create_task(clients.run(CLIENTS))
        await asyncio.wait((harming, drawing), return_when=asyncio.FIRST_COMPLETED)
        for task in (harming, drawing):
            if task.done():
                task.result()  # an error of ours ends the campaign
        harming.cancel()
        await asyncio.gather(harming, return_exceptions=True)
        found = await look(redis, folder / "data" / "files", key.id, clients.accepted)
        return Outcome(findings=found, faults=fleet.faults)
