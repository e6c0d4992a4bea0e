"""Deliveries in Redis. They begin in the scripts that end jobs (frontend/jobs/lua/); what follows is here."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from redis.asyncio import Redis

from frontend.domain.webhook import Webhook
from frontend.jobs.scripts import Scripts
from frontend.webhooks.delivery import Delivery, DeliveryClaim, DeliveryState

LUA = Path(__file__).with_name("lua")
KEEP_S = 86_400  # an ended delivery
_decode = msgspec.json.Decoder(Webhook).decode


class DeliveryStore:
    def __init__(self, redis: "Redis") -> None:
        self._run = Scripts(redis, LUA).run

    async def claim(
        self, lease_s: float, most: int, of_one_lane: int, left: Mapping[str, int]
    ) -> list[DeliveryClaim]:
        """Deliveries that are due. `left`: how many of a lane, where it is not `of_one_lane`.

        Raises RedisError.
        """
        lanes = [word for lane, count in left.items() for word in (lane, count)]
        rows = await self._run("claim", int(lease_s * 1000), most, of_one_lane, *lanes)
        return [
            DeliveryClaim(
                job_id=job_id.decode(),
                attempt=attempt,
                owner=owner.decode(),
                webhook=_decode(webhook),
                tries=tries,
                began=began / 1000,
            )
            for job_id, attempt, owner, webhook, tries, began in rows
        ]

    async def wait(self, claim: DeliveryClaim, wait_s: float) -> None:
        """There is nothing to tell yet; a verdict makes it due before that. Raises RedisError."""
        await self._run("wait", claim.job_id, claim.attempt, int(wait_s * 1000))

    async def tried(
        self, claim: DeliveryClaim, state: DeliveryState, outcome: str, wait_s: float = 0.0
    ) -> bool:
        """False: a newer attempt has begun. Raises RedisError."""
        told = claim.job_id, claim.attempt, state, outcome, int(wait_s * 1000), KEEP_S
        return bool(await self._run("tried", *told))

    async def replay(self, job_id: str) -> str:
        """What became of it: `gone`, `expired`, `pending` or `replayed`, as lua/replay.lua says.

        Raises RedisError.
        """
        return str(await self._run("replay", job_id), "ascii")

    async def list(self, most: int) -> list[Delivery]:
        """The latest first. Raises RedisError."""
        rows: list[Any] = await self._run("list", most)
        return [
            Delivery(
                job_id=job_id.decode(),
                owner=owner.decode(),
                state=DeliveryState(state.decode()),
                receiver=_decode(webhook).receiver,
                tries=tries,
                outcome=outcome.decode(),
                began=began / 1000,
                due=due / 1000,
            )
            for job_id, owner, state, webhook, tries, outcome, began, due in rows
        ]
