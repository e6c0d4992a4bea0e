"""What may go wrong: each fault begins and ends, and a seeded random generator chooses.

Two lanes go on side by side. In one are Redis and its sentinels: one of them fails at a time, since of a
Redis without a copy no promise is made. In the other is everything else.
"""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from tests.campaign.fleet import CampaignFleet, Kept
from tests.campaign.names import LIES
from tests.campaign.object_store import ILLNESSES
from tests.campaign.wire import CUTS
from tests.redis_replicas import RedisProcess

AT_ONCE_S = (0.0, 0.0)
LASTS_S = (0.5, 6.0)  # shorter and longer than a lease, a probe, a sentinel's patience
CUT_S = (0.5, 14.0)  # and than the time in which Redis has to answer
PAUSE_S = (0.2, 2.0)  # between two faults of a lane
SERVER_JUMPS_S = (5.0, 60.0, 3_600.0, 86_400.0)  # either way
REDIS_JUMPS_S = (1.0, 10.0, 60.0, 600.0)  # less than a job's deadline, which is a time of that clock


async def _nothing() -> None: ...


@dataclass(frozen=True)
class Fault:
    name: str
    begin: Callable[[], object]  # False: there was nothing to harm
    end: Callable[[], Awaitable[object]] = _nothing
    lasts_s: tuple[float, float] = LASTS_S


Kind = Callable[[], Awaitable[Fault]]


@dataclass
class Faults:
    fleet: CampaignFleet
    seed: int
    counts: Counter[str] = field(default_factory=Counter)
    ending: bool = False  # set, the fault of each lane is its last one

    async def run(self) -> None:
        """Until `ending`: a client library may lose a cancellation, and a fault must end."""
        lanes = (RedisFaults, OtherFaults)
        async with asyncio.TaskGroup() as running:
            for lane in lanes:
                chance = random.Random(f"{lane.__name__} {self.seed}")
                running.create_task(self._harm(lane(self.fleet, chance).kinds(), chance))

    async def _harm(self, kinds: Sequence[Kind], chance: random.Random) -> None:
        while not self.ending:
            await asyncio.sleep(chance.uniform(*PAUSE_S))
            fault = await chance.choice(kinds)()
            if fault.begin() is False:
                continue
            self.counts[fault.name] += 1
            try:
                await asyncio.sleep(chance.uniform(*fault.lasts_s))
            finally:
                await fault.end()


@dataclass
class RedisFaults:
    fleet: CampaignFleet
    chance: random.Random

    def kinds(self) -> Sequence[Kind]:
        jumps, fills = [self._jump] * bool(self.fleet.clocks), [self._fill] * bool(self.fleet.disks)
        return [self._kill, self._stop, *jumps, *fills]

    async def _kill(self) -> Fault:
        what, server = await self._any()

        async def begin_again() -> None:
            if what == "master":  # back at once, it would be the master still
                (other,) = (each for each in self.fleet.redis.servers if each is not server)
                await self.fleet.redis.until_promoted(other.port)
            server.start_again()
            await self._until_well()

        return Fault(f"kill {what}", server.kill, begin_again)

    async def _stop(self) -> Fault:
        what, server = await self._any()

        async def go_on() -> None:
            server.signal(signal.SIGCONT)
            await self._until_well()

        return Fault(f"stop {what}", lambda: server.signal(signal.SIGSTOP), go_on)

    async def _jump(self) -> Fault:
        what, server = await self._any()
        clock = self.fleet.clocks[server.folder]
        by = self.chance.choice((-1, 1)) * self.chance.choice(REDIS_JUMPS_S)

        async def set_right() -> None:
            clock.jump_to(0)
            await self._until_well()

        return Fault(f"jump {what}", lambda: clock.jump_to(by), set_right)

    async def _fill(self) -> Fault:
        what, server = await self._server()
        disk = self.fleet.disks[server.folder]

        async def free() -> None:
            disk.free()
            if server.ended:
                server.start_again()
            await self._until_well()

        return Fault(f"fill {what}", disk.take_room, free)

    async def _any(self) -> tuple[str, RedisProcess]:
        if self.chance.random() < 0.3:
            return "sentinel", self.chance.choice(self.fleet.redis.sentinels)
        return await self._server()

    async def _server(self) -> tuple[str, RedisProcess]:
        what, master = self.chance.choice(("master", "replica")), await self.fleet.redis.master()
        (server,) = (each for each in self.fleet.redis.servers if (each.port == master) is (what == "master"))
        return what, server

    async def _until_well(self) -> None:
        await self.fleet.redis.until_watched()
        await self.fleet.redis.until_followed()


@dataclass
class OtherFaults:
    fleet: CampaignFleet
    chance: random.Random

    def kinds(self) -> Sequence[Kind]:
        fleet = self.fleet
        store = [self._sicken] * 2 if fleet.store else [self._fill] * bool(fleet.disks)
        names = [self._lie, self._move] if fleet.names else []
        clocks = [self._jump] if fleet.clocks else []
        return [self._kill, self._kill, self._stop, self._cut, *clocks, *names, *store]

    async def _kill(self) -> Fault:
        kept = self.chance.choice(self.fleet.parts)
        return Fault(f"kill {_kind(kept)}", lambda: kept.signal(signal.SIGKILL), lasts_s=AT_ONCE_S)

    async def _stop(self) -> Fault:
        kept = self.chance.choice(self.fleet.parts)

        async def go_on() -> None:
            kept.signal(signal.SIGCONT)

        return Fault(f"stop {_kind(kept)}", lambda: kept.signal(signal.SIGSTOP), go_on)

    async def _cut(self) -> Fault:
        wire = self.chance.choice([kept.wire for kept in self.fleet.servers if kept.wire])
        how = self.chance.choice(CUTS)

        async def mend() -> None:
            wire.mend()

        return Fault(f"cut {how}", lambda: wire.cut(how), mend, CUT_S)

    async def _jump(self) -> Fault:
        kept = self.chance.choice(self.fleet.servers)
        clock, by = kept.clock, self.chance.choice((-1, 1)) * self.chance.choice(SERVER_JUMPS_S)
        assert clock

        async def set_right() -> None:
            clock.jump_to(0)

        return Fault(f"jump {_kind(kept)}", lambda: clock.jump_to(by), set_right)

    async def _lie(self) -> Fault:
        names, lie = self.fleet.names, self.chance.choice(LIES)
        assert names

        async def be_honest() -> None:
            names.lie = ""

        return Fault(f"names: {lie}", lambda: setattr(names, "lie", lie), be_honest, CUT_S)

    async def _move(self) -> Fault:
        """A Triton ends and begins anew at another address; for a while, its name leads to the old one."""
        kept = self.chance.choice(self.fleet.tritons)

        def move() -> bool:
            self.fleet.move(kept)
            return kept.signal(signal.SIGKILL)

        async def tell() -> None:
            self.fleet.tell_addresses()

        return Fault("names: moved", move, tell)

    async def _sicken(self) -> Fault:
        store, illness = self.fleet.store, self.chance.choice(ILLNESSES)
        assert store

        async def get_well() -> None:
            store.illness = ""

        return Fault(f"S3: {illness}", lambda: setattr(store, "illness", illness), get_well)

    async def _fill(self) -> Fault:
        disk = self.fleet.disks[self.fleet.pictures.parent]

        async def free() -> None:
            disk.free()

        return Fault("fill pictures", disk.take_room, free)


def _kind(kept: Kept) -> str:
    return kept.part.name.rpartition("-")[0] or kept.part.name
