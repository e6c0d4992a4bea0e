"""Two each of API servers, workers and Tritons, a Redis with a replica, three sentinels, and all that is
between them and can fail: clocks, disks, an object store, a name server, the network. All begin anew."""

import asyncio
import contextlib
import itertools
import random
import signal
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from embedded.child import kill
from embedded.frontend import frontend_part
from embedded.part import SystemPart, free_port, start, stop
from embedded.shared_memory import remove_shared_memory
from frontend.settings import ROOT, Settings
from perf.scale.fleet import reviewer, sleeping_triton
from tests.campaign.clocks import Clock, clockmaker
from tests.campaign.names import NAME, NameServer, name_server
from tests.campaign.object_store import ObjectStore, object_store
from tests.campaign.wire import Wire, wired
from tests.redis_replicas import MASTER, RedisFleet, redis_fleet
from tests.small_disk import SmallDisk, small_disk

LEASE_S, DRAW_S, SLOTS = 3.0, 0.2, 2
REDIS_MIB, PICTURES_MIB = 64, 1024
NEAR = ("127.0.0.5", "127.0.0.6", "127.0.0.7", "127.0.0.8")  # of the servers' wires
TRITONS = "127.0.2."  # where Tritons get their addresses, each time another one
ANY_TIME_S = 1_800.0


@dataclass
class Kept:
    """A part under a service manager."""

    part: SystemPart
    folder: Path
    clock: Clock | None = None
    wire: Wire | None = None
    process: asyncio.subprocess.Process | None = None

    async def keep(self) -> None:
        """Until cancelled."""
        try:
            while True:
                with contextlib.suppress(Exception):  # it was killed while it started
                    self.process = await start(self.part, self.folder)
                    await self.process.wait()
                    await kill(self.process)  # what it had started goes with it
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
    names: NameServer | None
    store: ObjectStore | None  # None: pictures lie in a folder
    pictures: Path  # files by their keys
    disks: Mapping[Path, SmallDisk]  # by the folder that each is mounted at
    clocks: Mapping[Path, Clock]  # of Redis servers and sentinels, by their folders
    left_out: list[str]  # faults that cannot be made here, and why
    _addresses: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    @property
    def tritons(self) -> list[Kept]:
        return [kept for kept in self.parts if kept.part.name.startswith("triton")]

    @property
    def servers(self) -> list[Kept]:
        return [kept for kept in self.parts if kept.wire]

    def move(self, triton: Kept) -> None:
        """From its next start on it is at another address; the name server is not told."""
        before = triton.part.url.partition(":")[0]
        address = f"{TRITONS}{next(self._addresses)}"
        command = [
            word.replace(f"--grpc-address={before}", f"--grpc-address={address}")
            for word in triton.part.command
        ]
        url = triton.part.url.replace(before, address)
        triton.part = replace(triton.part, url=url, command=tuple(command))

    def tell_addresses(self) -> None:
        if self.names:
            self.names.addresses = [triton.part.url.partition(":")[0] for triton in self.tritons]


async def _listening() -> bool:
    return True  # a Triton listens when all is loaded that can be, and that it listens is asked first


def _mount(stack: contextlib.ExitStack, folder: Path, mib: int, disks: dict[Path, SmallDisk]) -> None:
    """A plain folder where this user may not mount."""
    try:
        disks[folder] = stack.enter_context(small_disk(folder, mib))
    except pytest.skip.Exception:
        folder.mkdir(exist_ok=True)


@contextlib.asynccontextmanager
async def campaign_fleet(folder: Path, seed: int, *, bucket: bool) -> AsyncIterator[CampaignFleet]:
    chance = random.Random(f"surroundings {seed}")
    clocks, disks = dict[Path, Clock](), dict[Path, SmallDisk]()
    makes = clockmaker(folder)

    def environment(of: Path) -> Mapping[str, str]:
        if clock := makes.make(f"redis-{of.name}"):
            clocks[of] = clock
        return clock.environment if clock else {}

    async with contextlib.AsyncExitStack() as stack:
        mounts = stack.enter_context(contextlib.ExitStack())
        enter = stack.enter_async_context
        redis = await enter(
            redis_fleet(
                folder / "redis",
                make_folder=lambda at: _mount(mounts, at, REDIS_MIB, disks),
                environment=environment,
            )
        )
        _mount(mounts, folder / "data", PICTURES_MIB, disks)
        names = await enter(name_server(folder, chance))
        store = await enter(object_store(folder, chance)) if bucket else None
        fleet = CampaignFleet(
            redis=redis,
            parts=[],
            urls=[],
            names=names,
            store=store,
            pictures=store.folder if store else folder / "data" / "files",
            disks=disks,
            clocks=clocks,
            left_out=[
                *([] if makes.library else ["jump: there is no C compiler"]),
                *([] if disks else ["fill: no file system may be mounted"]),
                *([] if names else ["names: no name server may listen, or no file be mounted"]),
            ],
        )
        port = free_port()
        for number in range(2):
            place = folder / f"triton-{number}"
            stack.callback(remove_shared_memory, place)
            part = sleeping_triton(place, DRAW_S, SLOTS, port)
            fleet.parts.append(Kept(replace(part, name=place.name, ready=_listening), place))
            fleet.move(fleet.parts[-1])
        fleet.tell_addresses()
        if store:
            fleet.parts.append(Kept(store.part, folder))
        shared = {
            "IMGEN_REDIS_REPLICAS": "1",
            "IMGEN_TRITON_URLS": f"dns:///{NAME}:{port}"
            if names
            else ",".join(each.part.url for each in fleet.tritons),
            "IMGEN_ACS_URL": await enter(reviewer()),
            "IMGEN_ACS_TIMEOUT_S": "5",
            "IMGEN_WORKERS": "2",
            "IMGEN_JOB_LEASE_S": str(LEASE_S),
            "IMGEN_JOB_DEADLINE_S": str(ANY_TIME_S),
            "IMGEN_JOB_ATTEMPTS": "20",  # a job may be killed by chance more often than one that kills
            "IMGEN_KEY_ORDERS_PER_MINUTE": "1000000",
            "IMGEN_CATALOGUE_DIR": str(ROOT / "demo" / "catalogue"),
            **(store.environment if store else {}),
        }
        ports = [each.port for each in [*redis.servers, *redis.sentinels]]
        for near, (role, number) in zip(NEAR, itertools.product(("api", "worker"), range(2)), strict=True):
            wire = await enter(wired(near, ports, chance))
            sentinels = ",".join(f"{near}:{each.port}" for each in redis.sentinels)
            clock = makes.make(f"{role}-{number}")
            settings = Settings(port=free_port(), data_dir=folder / "data")
            own = {
                "IMGEN_ROLE": role,
                "IMGEN_REDIS_URL": f"redis+sentinel://{sentinels}/{MASTER}/0",
                **(clock.environment if clock else {}),
            }
            part = replace(frontend_part(settings, {**shared, **own}), name=f"{role}-{number}")
            part = names.asked_by(part) if names else part
            fleet.parts.append(Kept(part, folder, clock, wire))
            fleet.urls += [part.url] if role == "api" else []
        keeping = [asyncio.create_task(each.keep()) for each in fleet.parts]
        try:
            yield fleet
        finally:
            for task in keeping:
                task.cancel()
            await asyncio.gather(*keeping, return_exceptions=True)
