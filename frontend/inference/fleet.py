"""The Tritons that there are at the moment: they come and go under a name, hang, and come back."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Collection, Iterator, Sequence

import grpc

from contract.inventory import Inventory
from frontend.common.outage_log import OutageLog
from frontend.common.supervised import SupervisedLoop, in_background
from frontend.domain.inference_error import FailureScope
from frontend.inference import metrics
from frontend.inference.errors import ServerFailed
from frontend.inference.routing import TritonState, Wanted, choose, have_room, may_draw
from frontend.inference.triton import Triton
from frontend.net.service_name import LookUp, look_up, service_name

log = logging.getLogger(__name__)
LOOK_UP_EVERY_S = 5.0
PULSE_EVERY_S = 1.0
MISSED = 2  # pulses, one after the other, that mean that a Triton is away; one may be missed by this process
MAX_TRITONS = 256


class Member:
    """One Triton, and what is known of it."""

    def __init__(self, triton: Triton) -> None:
        self.triton = triton
        self.state = TritonState(triton.url)
        self._missed = 0
        self._ends: set[asyncio.Timeout] = set()  # of what waits for it
        self._outage = OutageLog(log, f"triton {triton.url} does not answer")
        metrics.ALIVE.labels(triton.url).set(1)
        metrics.FAILURES.labels(triton.url)

    @property
    def idle(self) -> bool:
        return not self._ends

    @contextlib.asynccontextmanager
    async def asked(self, lane_name: str, model: str = "") -> AsyncIterator[None]:
        """Counts a request (an order of `model`, where it is one), and ends it once the server hangs.

        Raises ServerFailed, and what the block raises.
        """
        lane, name = self.state.lanes[lane_name], self.state.name
        lane.outstanding += 1
        self._count(model, 1)
        try:
            async with asyncio.timeout(None) as end:
                self._ends.add(end)
                yield
        except ServerFailed as error:
            self._fail(lane_name, began=error.scope is FailureScope.WORK)
            raise
        except TimeoutError:
            if not end.expired():
                raise
            self._fail(lane_name)
            raise ServerFailed(f"{name}: hangs") from None
        else:
            lane.serve()
        finally:
            self._ends.discard(end)
            lane.outstanding -= 1
            self._count(model, -1)

    def rest(self, lane_name: str) -> None:
        """It was too slow for somebody."""
        self._fail(lane_name)

    def feel(self, pulse: bool) -> None:
        """Whether it answered just now."""
        self._missed = 0 if pulse else self._missed + 1
        if pulse and not self.state.alive:
            self._set_alive(True)
            self.state.drawing.start_slowly()
            self._outage.succeeded()
        elif self._missed >= MISSED and self.state.alive:
            self._set_alive(False)
            self._outage.failed(f"{len(self._ends)} orders and requests wait for it")

    def give_up(self) -> None:
        """Fails all that wait for it, so that they are drawn elsewhere."""
        for end in [one for one in self._ends if one.when() is None]:
            end.reschedule(asyncio.get_running_loop().time())

    async def take_inventory(self) -> Inventory | None:
        """Orders of ours that begin or end meanwhile are not taken for others'."""
        before = self.state.own.copy()
        inventory = await self.triton.inventory()
        if inventory is not None:
            own = before | self.state.own  # the larger one of each
            self.state.inventory = inventory
            self.state.others = {
                model: others
                for model, stock in inventory.items()
                if (others := stock.orders - own[model]) > 0
            }
            self._tell_load()
            resident = sum(len(stock.loaded) for stock in inventory.values())
            metrics.CHARACTERS.labels(self.state.name).set(resident)
        return inventory

    def _set_alive(self, alive: bool) -> None:
        self.state.alive = alive
        metrics.ALIVE.labels(self.state.name).set(int(alive))

    def _fail(self, lane_name: str, *, began: bool = True) -> None:
        self.state.lanes[lane_name].fail(time.monotonic(), began=began)
        metrics.FAILURES.labels(self.state.name).inc()

    def _count(self, model: str, by: int) -> None:
        if model:
            self.state.own[model] += by
            if not self.state.own[model]:
                del self.state.own[model]
            metrics.ORDERS.labels(self.state.name).set(self.state.own.total())
            self._tell_load()

    def _tell_load(self) -> None:
        metrics.LOAD.labels(self.state.name).set(self.state.load)


class Fleet:
    def __init__(
        self,
        urls: Sequence[str],
        timeout_s: float,
        tls: grpc.ChannelCredentials | None,
        look_up: LookUp = look_up,
    ) -> None:
        """Raises SettingError, and ValueError without any."""
        if not urls:
            raise ValueError("no Triton given")
        self._timeout_s, self._tls, self._look_up = timeout_s, tls, look_up
        names = {url: service_name("IMGEN_TRITON_URLS", url) for url in urls}
        self._addresses = {name: frozenset[str]() for name in names.values() if name}
        self._outages = {name: OutageLog(log, f"nobody knows {name}") for name in self._addresses}
        self._members = {url: self._member(url) for url, name in names.items() if not name}
        self._fixed = frozenset(self._members)
        self._leaving = dict[str, Member]()  # closed once their orders have ended
        self._moved = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follows names, and finds out who hangs."""
        if self._addresses:
            await self.follow_names()
        pulses = SupervisedLoop("whether Tritons hang is not known", self._feel_later, log)
        names = SupervisedLoop("names of Tritons are not followed", self._follow_later, log)
        async with in_background(pulses.run()), in_background(names.run()):
            yield

    async def close(self) -> None:
        members = [*self._members.values(), *self._leaving.values()]
        await asyncio.gather(*map(_close, members))

    def __iter__(self) -> Iterator[Member]:
        return iter([*self._members.values()])

    def __getitem__(self, name: str) -> Member:
        return self._members[name]

    @property
    def states(self) -> list[TritonState]:
        return [member.state for member in self._members.values()]

    async def place_for(self, wanted: Wanted, tried: Collection[str]) -> Member | None:
        """Who draws this, once somebody can hold it; None where nobody is left who might."""
        while True:
            now = time.monotonic()
            if state := choose(self.states, wanted, now, tried):
                return self._members[state.name]
            if not may_draw(self.states, wanted, now, tried):
                return None
            await self._move()

    async def until_room(self) -> None:
        """Until an order that is taken now would be drawn at once."""
        await asyncio.sleep(0)  # whoever was given one before has begun with it, and is counted
        while not have_room(self.states, time.monotonic()):
            await self._move()

    def tell_move(self) -> None:
        """Somebody may have room now."""
        self._moved.set()
        self._moved = asyncio.Event()

    async def _move(self) -> None:
        """Rests end without a word, so it is looked again after a while."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PULSE_EVERY_S):
                await self._moved.wait()

    async def _feel_later(self) -> None:
        await asyncio.sleep(PULSE_EVERY_S)
        await self.feel_pulses()

    async def feel_pulses(self) -> None:
        members = [*self, *self._leaving.values()]
        for member, pulse in zip(
            members, await asyncio.gather(*(member.triton.has_pulse() for member in members)), strict=True
        ):
            member.feel(pulse)
        # Where there is no other, whatever holds it up may be over before its orders' time is.
        if any(member.state.alive for member in self):
            for member in members:
                if not member.state.alive:
                    member.give_up()
        self.tell_move()
        for member in [one for one in self._leaving.values() if one.idle]:
            del self._leaving[member.state.name]
            await _close(member)

    async def _follow_later(self) -> None:
        await asyncio.sleep(LOOK_UP_EVERY_S)
        await self.follow_names()

    async def follow_names(self) -> None:
        """A name that nobody tells of keeps its addresses: name servers, too, are away at times."""
        for name, outage in self._outages.items():
            try:
                self._addresses[name] = await self._look_up(name)
            except OSError as error:
                outage.failed(error.strerror or type(error).__name__)
            else:
                outage.succeeded()
        self._keep_to(self._fixed.union(*self._addresses.values()))

    def _keep_to(self, addresses: frozenset[str]) -> None:
        began = bool(self._members)
        for address in self._members.keys() - addresses:
            self._leaving[address] = self._members.pop(address)
            log.info("triton %s is gone", address)
        for address in sorted(addresses - self._members.keys())[: max(MAX_TRITONS - len(self._members), 0)]:
            self._members[address] = member = self._leaving.pop(address, None) or self._member(address)
            if began:
                member.state.drawing.start_slowly()
            log.info("triton %s is there", address)
        self.tell_move()

    def _member(self, address: str) -> Member:
        proves = next((name.host for name, found in self._addresses.items() if address in found), "")
        return Member(Triton(address, self._timeout_s, self._tls, proves))


async def _close(member: Member) -> None:
    await member.triton.close()
    metrics.forget(member.state.name)
