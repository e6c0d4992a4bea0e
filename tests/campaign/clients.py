"""Clients that ask again until they are answered, see each order to its end, and fetch its picture."""

import asyncio
import contextlib
import hashlib
import itertools
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from tests.campaign.fleet import CampaignFleet

FINAL = ("COMPLETED", "FAILED", "TIMED_OUT", "CANCELLED")
AGAIN_S, ANSWER_S = 0.2, 20.0
UNKNOWN_S = 60.0  # a master that was replaced and does not know it yet may say so of a new order for a while


class Unknown(Exception):
    """An order that was accepted is one that nobody knows."""


@dataclass
class Clients:
    fleet: CampaignFleet
    key: str
    http: aiohttp.ClientSession
    jobs: int
    accepted: dict[int, str] = field(default_factory=dict)  # ids by the orders' numbers
    ends: Counter[str] = field(default_factory=Counter)  # as clients were told
    shown: dict[str, str] = field(default_factory=dict)  # SHA-256 of what a link led to, by id
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    _asked: "itertools.count[int]" = field(default_factory=itertools.count)

    async def run(self, clients: int) -> None:
        await asyncio.gather(*(self._client() for _ in range(clients)))

    async def _client(self) -> None:
        while (number := next(self._numbers)) < self.jobs:
            order = {"prompt": "a red car on the beach", "seed": number, "idempotency_key": f"order-{number}"}
            job = (await self._persist({"action": "generate", **order}))["id"]
            self.accepted[number] = job
            try:
                self.ends[await self._until_ended(job)] += 1
            except Unknown:
                self.ends["unknown"] += 1

    async def _until_ended(self, job: str) -> str:
        while True:
            told = await self._persist({"action": "status", "id": job})
            if told["status"] in FINAL and (told["status"] != "COMPLETED" or await self._fetch(job, told)):
                return str(told["status"])
            await asyncio.sleep(AGAIN_S)

    async def _fetch(self, job: str, told: Mapping[str, Any]) -> bool:
        """Whether the whole picture came; a link that leads nowhere now is asked for again."""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            url = URL(told["meta"]["images"][0]["url"], encoded=True)
            async with self.http.get(url, timeout=aiohttp.ClientTimeout(total=ANSWER_S)) as answer:
                data = await answer.read()
                if answer.status == 200:
                    self.shown[job] = hashlib.sha256(data).hexdigest()
                    return True
        return False

    async def _persist(self, body: Mapping[str, object]) -> Any:
        headers = {"Authorization": f"Bearer {self.key}"}
        patience, unknown_until = aiohttp.ClientTimeout(total=ANSWER_S), 0.0
        while True:
            url = self.fleet.urls[next(self._asked) % len(self.fleet.urls)]
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                async with self.http.post(
                    f"{url}/api/v2", json=body, headers=headers, timeout=patience
                ) as answer:
                    told = await answer.json()
                    if answer.status == 200:
                        return told
                    if told == {"error": "Bad ID"}:
                        unknown_until = unknown_until or time.monotonic() + UNKNOWN_S
                        if time.monotonic() > unknown_until:
                            raise Unknown
                    elif answer.status < 500 and answer.status != 429:
                        raise AssertionError(f"{body['action']}: {answer.status} {told}")
            await asyncio.sleep(AGAIN_S)
