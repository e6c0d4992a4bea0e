"""An encoder without a network, and log entries as a safe verdict writes them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from redis.asyncio import Redis

from contract.redis_keys import CACHE
from frontend.cache.log import Log
from frontend.cache.normal_form import embedded_text
from frontend.cache.replica import Replica
from frontend.common.supervised import in_background
from frontend.domain.prompt_intent import PromptIntent
from frontend.settings import Settings
from tests.fakes import bag_of_words
from tests.frontend.jobs.orders import a_job, a_picture, a_verdict


@dataclass
class Bags:
    name: str = "bags"
    fails: bool = False
    asked: list[str] = field(default_factory=list)

    async def identity(self) -> str:
        return self.name

    async def encode(self, text: str) -> npt.NDArray[np.float32]:
        self.asked.append(text)
        if self.fails:
            raise RuntimeError("no encoder")
        return bag_of_words(text)


async def enter(
    redis: "Redis", text: str, *, entry_id: str = "*", encoder: str = "bags", **changes: Any
) -> str:
    """One picture in the log; its gen_id. `changes`: of the job, of the verdict's `version`, of `fields`."""
    version, fields = changes.pop("version", ""), changes.pop("fields", {})
    weights = changes.pop("weights", {})
    job = msgspec.structs.replace(a_job(), intent=PromptIntent(text, ()), **changes)
    picture = msgspec.structs.replace(a_picture(), weights=weights)
    verdict = msgspec.structs.replace(a_verdict(), ruleset_version=version)
    record = {
        "record": msgspec.json.encode(job),
        "picture": msgspec.json.encode(picture),
        "verdict": msgspec.json.encode(verdict),
        "vector": bag_of_words(embedded_text(text)).astype("<f2").tobytes(),
        "encoder": encoder,
        **fields,
    }
    await redis.xadd(CACHE, record, id=entry_id)
    return job.gen_id


@contextlib.asynccontextmanager
async def following(
    redis: "Redis", folder: Path, encoder: Bags | None = None, **changes: Any
) -> AsyncIterator[Replica]:
    settings = Settings(data_dir=folder, **{"cache_snapshot_s": 3600.0, **changes})
    replica = Replica(Log(redis, settings.cache_capacity), encoder or Bags(), settings)
    async with in_background(replica.follow()), in_background(replica.snapshots()):
        yield replica


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.01)


def holds(replica: Replica, count: int) -> Callable[[], bool]:
    return lambda: replica.copy is not None and len(replica.copy.index) == count
