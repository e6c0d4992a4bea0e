"""Two each of API servers, workers and Tritons, a Redis with a replica, three sentinels; all begin anew."""

import asyncio
import contextlib
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from embedded.frontend import frontend_part
from embedded.part import SystemPart, free_port, start, stop
from frontend.settings import ROOT, Settings
from perf.scale.fleet import reviewer, sleeping_triton
from tests.redis_replicas import RedisFleet, redis_fleet

LEASE_S, DRAW_S, SLOTS = 3.0, 0.5, 2
STOPPED_S = (0.5, 6.0)  # shorter and longer than a lease, a probe, a sentinel's patience
PAUSE_S = (0.5, 3.0)  # between two faults


@dataclass
class Kept:
    """A part under a service manager."""

    part: SystemPart
    folder: Path
    process: asyncio.subprocess.Process | None = None

    async def keep(self) -> None:
        """Until cancelled."""
        try:
            while True:
                with contextlib.suppress(Exception):  # it was killed while it started
                    self.process = await start(self.part, self.folder)
                    await self.process.wait()
        finally:
            if self.process and self.process.returncode is None:
                self.process.send_signal(signal.SIGCONT)
                await stop(self.part, self.process)

    def signal(self, number: signal.Signals) -> bool:
        """Whether it was there to get it."""
        if self.process is None or self.process.returncode is not None:
            return False
        self.process.send_signal(number)
        return True


@dataclass
class CampaignFleet:
    redis: RedisFleet
    parts: list[Kept]
    urls: list[str]
    chance: random.Random
    faults: Counter[str] = field(default_factory=Counter)

    async def harm(self) -> None:
        """One fault after the other, until cancelled; a master that was killed comes back as a replica."""
        while True:
            await asyncio.sleep(self.chance.uniform(*PAUSE_S))
            await self.chance.choice((self._kill_part, self._stop_part, self._kill_part, self._harm_redis))()

    async def _kill_part(self) -> None:
        kept = self.chance.choice(self.parts)
        if kept.signal(signal.SIGKILL):
            self.faults[f"kill {kept.part.name}"] += 1

    async def _stop_part(self) -> None:
        kept = self.chance.choice(self.parts)
        if kept.signal(signal.SIGSTOP):
            self.faults[f"stop {kept.part.name}"] += 1
            await asyncio.sleep(self.chance.uniform(*STOPPED_S))
            kept.signal(signal.SIGCONT)

    async def _harm_redis(self) -> None:
        """Both of one kind at a time would be a Redis without a copy, of which no promise is made."""
        if self.chance.random() < 0.4:
            sentinel = self.chance.choice(self.redis.sentinels)
            sentinel.kill()
            self.faults["kill sentinel"] += 1
            await asyncio.sleep(self.chance.uniform(*STOPPED_S))
            sentinel.start_again()
            return
        master = await self.redis.master()
        is_master = self.chance.random() < 0.5
        (server,) = (each for each in self.redis.servers if (each.port == master) is is_master)
        server.kill()
        self.faults[f"kill {'master' if is_master else 'replica'}"] += 1
        if is_master:
            (other,) = (each for each in self.redis.servers if each is not server)
            await self.redis.until_promoted(other.port)
        server.start_again()
        await self.redis.until_watched()


@contextlib.asynccontextmanager
async def campaign_fleet(folder: Path, seed: int) -> AsyncIterator[CampaignFleet]:
    async with redis_fleet(folder / "redis") as redis, reviewer() as acs:
        tritons = [folder / f"triton-{number}" for number in range(2)]
        parts = [(sleeping_triton(place, DRAW_S, SLOTS), place) for place in tritons]
        parts = [(replace(part, name=place.name), place) for part, place in parts]
        (folder / "data").mkdir()
        environment = {
            "IMGEN_REDIS_URL": redis.url,
            "IMGEN_REDIS_REPLICAS": "1",
            "IMGEN_TRITON_URLS": ",".join(part.url for part, _ in parts),
            "IMGEN_ACS_URL": acs,
            "IMGEN_ACS_TIMEOUT_S": "5",
            "IMGEN_WORKERS": "2",
            "IMGEN_JOB_LEASE_S": str(LEASE_S),
            "IMGEN_JOB_DEADLINE_S": "1800",
            "IMGEN_JOB_ATTEMPTS": "20",  # a job may be killed by chance more often than one that kills
            "IMGEN_KEY_ORDERS_PER_MINUTE": "1000000",
            "IMGEN_CATALOGUE_DIR": str(ROOT / "demo" / "catalogue"),
        }
        urls = []
        for role in ("api", "worker"):
            for number in range(2):
                settings = Settings(port=free_port(), data_dir=folder / "data")
                part = frontend_part(settings, {**environment, "IMGEN_ROLE": role})
                parts.append((replace(part, name=f"{role}-{number}"), folder))
                urls += [part.url] if role == "api" else []
        kept = [Kept(part, place) for part, place in parts]
        keeping = [asyncio.create_task(each.keep()) for each in kept]
        try:
            yield CampaignFleet(redis, kept, urls, random.Random(seed))
        finally:
            for task in keeping:
                task.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)
