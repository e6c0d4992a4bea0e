"""Tritons that come, go, hang and fill up, behind one client. They speak the protocol; a test tells names."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from prometheus_client import REGISTRY
from tritonclient.grpc import service_pb2

from contract.inventory import Inventory, ModelStock, inventory_to_json
from frontend.common.errors import SettingError
from frontend.domain.inference_error import FailureScope, InferenceError
from frontend.domain.picture import Picture
from frontend.inference import fleet
from frontend.inference.client import Inference
from frontend.inference.fleet import Fleet
from frontend.net.service_name import ServiceName
from tests.frontend.inference.test_client import (
    ORDER,
    FakeTriton,
    Responses,
    in_turn,
    never_ends,
    picture,
    says,
    serving,
)
from tests.orders import ignore

NAME = "dns:///tritons:8001"
PATIENCE_S = 30.0


@dataclass
class Names:
    """A name server."""

    addresses: frozenset[str] = frozenset()
    away: bool = False
    asked: list[ServiceName] = field(default_factory=list)

    async def look_up(self, name: ServiceName) -> frozenset[str]:
        self.asked.append(name)
        if self.away:
            raise OSError(-3, "Temporary failure in name resolution")
        return self.addresses


@dataclass
class Gate:
    """Answers an order when it is opened."""

    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, request: Any, context: Any) -> Responses:
        await self.opened.wait()
        yield picture()


def tell_inventory(fake: FakeTriton, inventory: Inventory) -> None:
    told = inventory_to_json(inventory).encode()

    async def answer(request: Any, context: Any) -> Any:
        made = service_pb2.ModelInferResponse(model_name=request.model_name)
        made.outputs.add(name="inventory", datatype="BYTES", shape=[1])
        made.raw_output_contents.append(len(told).to_bytes(4, "little") + told)
        return made

    fake.once = answer


def stock(at_once: int = 8, orders: int = 0, loaded: Sequence[str] = ()) -> Inventory:
    return {
        ORDER.model: ModelStock(frozenset({"aya"}), at_once=at_once, orders=orders, loaded=frozenset(loaded))
    }


@contextlib.asynccontextmanager
async def client_of(fakes: Sequence[FakeTriton]) -> AsyncIterator[Inference]:
    inference = Inference([fake.url for fake in fakes], timeout_s=60)
    yield inference
    await inference.close()


def draw(inference: Inference, number: int = 0) -> "asyncio.Task[Picture]":
    plain = replace(ORDER, character="", seed=number)
    return asyncio.create_task(inference.text_to_image(plain, ignore))


async def until_asked(fakes: Sequence[FakeTriton], count: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while sum(len(orders(fake)) for fake in fakes) < count:
            await asyncio.sleep(0.01)


def orders(fake: FakeTriton) -> list[Any]:
    return [request for request in fake.requests if request.model_name == "text_to_image"]


def gauge(name: str, url: str) -> float | None:
    return REGISTRY.get_sample_value(f"imgen_triton_{name}", {"triton": url})


async def test_a_character_goes_where_it_is_loaded_whoever_loaded_it() -> None:
    async with serving(*[says(picture())] * 2) as fakes, client_of(fakes) as inference:
        _, other = in_turn(fakes, *[says(picture())] * 2)
        for fake in fakes:
            tell_inventory(fake, stock(loaded=["aya"] if fake is other else []))
        await inference.inventories()
        assert sorted(gauge("characters", fake.url) or 0.0 for fake in fakes) == [0.0, 1.0]
        assert gauge("characters", other.url) == 1.0
        for _ in range(3):
            await inference.text_to_image(ORDER, ignore)
        assert len(orders(other)) == 3


async def test_what_tritons_cannot_hold_waits_here_and_the_queue_is_left_alone() -> None:
    gate = Gate()
    async with serving(gate, gate) as fakes, client_of(fakes) as inference:
        for fake in fakes:
            tell_inventory(fake, stock(at_once=2))
        await inference.inventories()
        async with asyncio.timeout(PATIENCE_S):
            await inference.until_room()
        drawing = [draw(inference, number) for number in range(5)]
        await until_asked(fakes, 4)
        room = asyncio.create_task(inference.until_room())
        await inference.inventories()  # time enough for a fifth order, were it sent
        assert [len(orders(fake)) for fake in fakes] == [2, 2] and not room.done()
        assert [gauge("load", fake.url) for fake in fakes] == [1.0, 1.0]
        assert [gauge("orders", fake.url) for fake in fakes] == [2.0, 2.0]
        gate.opened.set()
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*drawing, room)
        assert [gauge("load", fake.url) for fake in fakes] == [0.0, 0.0]


async def test_orders_of_other_servers_leave_less_room() -> None:
    gate = Gate()
    async with serving(gate, gate) as fakes, client_of(fakes) as inference:
        for fake, busy in zip(fakes, (4, 1), strict=True):
            tell_inventory(fake, stock(at_once=4, orders=busy))
        await inference.inventories()
        drawing = [draw(inference, number) for number in range(3)]
        await until_asked(fakes, 3)
        assert [len(orders(fake)) for fake in fakes] == [0, 3]
        tell_inventory(fakes[1], stock(at_once=4, orders=3))  # ours, and the other's has ended
        await inference.inventories()
        drawing.append(draw(inference, 3))
        await until_asked(fakes, 4)
        gate.opened.set()
        await asyncio.gather(*drawing)


async def test_tritons_come_and_go_under_a_name() -> None:
    names = Names()
    async with serving(*[says(picture())] * 2) as (one, two):
        inference = Inference([NAME], timeout_s=10, look_up=names.look_up)
        async with inference.running():
            assert names.asked == [ServiceName("tritons", 8001)]
            with pytest.raises(InferenceError, match="no Triton takes orders: none answers") as caught:
                await draw(inference)
            assert caught.value.scope is FailureScope.SERVERS and not await inference.ready()
            for addresses in ({one.url}, {one.url, two.url}, {two.url}):
                names.addresses = frozenset(addresses)
                await inference.follow_names()
                assert (await inference.inventories()).keys() == addresses
                assert await inference.ready()
                await draw(inference)
            assert orders(two)
            before = len(orders(two))
            names.away = True  # and costs nothing
            await inference.follow_names()
            await draw(inference)
            assert len(orders(two)) == before + 1
            assert gauge("alive", two.url) == 1.0


async def test_a_triton_that_goes_finishes_what_it_draws() -> None:
    gate = Gate()
    names = Names()
    async with serving(gate, says(picture())) as (old, new):
        names.addresses = frozenset({old.url})
        inference = Inference([NAME], timeout_s=10, look_up=names.look_up)
        async with inference.running():
            drawing = draw(inference)
            await until_asked([old], 1)
            names.addresses = frozenset({new.url})
            await inference.follow_names()
            await draw(inference)
            gate.opened.set()
            await drawing
            async with asyncio.timeout(PATIENCE_S):
                while gauge("alive", old.url) is not None:  # it is closed and forgotten
                    await asyncio.sleep(0.05)
    assert len(orders(old)) == len(orders(new)) == 1


async def test_a_triton_that_hangs_costs_one_more_start_elsewhere() -> None:
    async with serving(never_ends, never_ends) as fakes, client_of(fakes) as inference:
        bad, good = in_turn(fakes, never_ends, says(picture()))
        drawing = asyncio.create_task(inference.text_to_image(ORDER, ignore))
        await until_asked([bad], 1)
        bad.hung = True
        async with inference.running(), asyncio.timeout(PATIENCE_S):
            await drawing
            assert len(orders(bad)) == len(orders(good)) == 1
            assert gauge("alive", bad.url) == 0.0
            for number in range(4):  # it is not asked again
                await draw(inference, number)
            assert len(orders(bad)) == 1
            bad.hung, bad.answer = False, says(picture())
            while gauge("alive", bad.url) == 0.0:
                await asyncio.sleep(0.05)


async def test_where_there_is_no_other_triton_an_order_waits_for_the_one_that_hangs() -> None:
    gate = Gate()
    async with serving(gate) as (fake,), client_of([fake]) as inference:
        drawing = draw(inference)
        await until_asked([fake], 1)
        fake.hung = True
        async with inference.running(), asyncio.timeout(PATIENCE_S):
            while gauge("alive", fake.url):
                await asyncio.sleep(0.05)
            fake.hung = False
            gate.opened.set()
            await drawing
    assert len(orders(fake)) == 1


async def test_while_no_triton_answers_the_queue_is_left_alone() -> None:
    async with serving(says(picture())) as (fake,), client_of([fake]) as inference:
        fake.hung = True
        async with inference.running(), asyncio.timeout(PATIENCE_S):
            while gauge("alive", fake.url):
                await asyncio.sleep(0.05)
            room = asyncio.create_task(inference.until_room())
            with pytest.raises(InferenceError) as caught:
                await draw(inference)
            assert caught.value.scope is FailureScope.SERVERS and not room.done()
            fake.hung = False
            await room


async def test_more_addresses_than_there_can_be_servers_are_left_out() -> None:
    names = Names(frozenset(f"10.0.{number // 250}.{number % 250}:8001" for number in range(300)))
    servers = Fleet([NAME], 1.0, None, names.look_up)
    await servers.follow_names()
    assert len(servers.states) == fleet.MAX_TRITONS
    await servers.close()


@pytest.mark.parametrize("text", ["dns:tritons:8001", "dns:///tritons", "dns:///:8001", "dns://8.8.8.8/t:1"])
async def test_a_name_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match="IMGEN_TRITON_URLS: expected dns:///name:port"):
        Inference([text], timeout_s=1)
