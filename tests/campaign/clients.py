"""Clients that ask again until they are answered, and see each order to its end."""

import asyncio
import contextlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.campaign.fleet import CampaignFleet

FINAL = ("COMPLETED", "FAILED", "TIMED_OUT", "CANCELLED")
AGAIN_S, ANSWER_S = 0.2, 20.0


@dataclass
class Clients:
    fleet: CampaignFleet
    key: str
    http: aiohttp.ClientSession
    jobs: int
    accepted: list[str] = field(default_factory=list)
    finished: int = 0
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    _asked: "itertools.count[int]" = field(default_factory=itertools.count)

    async def run(self, clients: int) -> None:
        await asyncio.gather(*(self._client() for _ in range(clients)))

    async def _client(self) -> None:
        while (number := next(self._numbers)) < self.jobs:
            order = {"prompt": "a red car on the beach", "seed": number, "idempotency_key": f"order-{number}"}
            job = (await self._persist({"action": "generate", **order}))["id"]
            self.accepted.append(job)
            while (await self._persist({"action": "status", "id": job}))["status"] not in FINAL:
                await asyncio.sleep(AGAIN_S)
            self.finished += 1

    async def _persist(self, body: Mapping[str, object]) -> Any:
        headers = {"Authorization": f"Bearer {self.key}"}
        patience = aiohttp.ClientTimeout(total=ANSWER_S)
        while True:
            url = self.fleet.urls[next(self._asked) % len(self.fleet.urls)]
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                async with self.http.post(
                    f"{url}/api/v2", json=body, headers=headers, timeout=patience
                ) as answer:
                    told = await answer.json()
                    if answer.status == 200:
                        return told
                    if answer.status < 500 and answer.status != 429:
                        raise AssertionError(f"{body['action']}: {answer.status} {told}")
            await asyncio.sleep(AGAIN_S)
