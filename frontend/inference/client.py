"""Pictures, and answers of other models, from whichever Triton can give them."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

import grpc

from contract.inventory import Inventory
from contract.names import TEXT_TO_IMAGE
from frontend.domain.inference_error import FailureScope, InferenceError
from frontend.domain.picture import Picture, PictureOrder
from frontend.inference.errors import ServerFailed
from frontend.inference.fleet import Fleet, Member
from frontend.inference.routing import Wanted, choose_for_request
from frontend.inference.triton import Array, Progress, Triton
from frontend.net.service_name import LookUp, look_up

__all__ = ["FailureScope", "Inference", "InferenceError"]

# An order may bring down the server that works on it: one may have been unlucky, the second one is a sign.
MAX_BEGUN = 2
T = TypeVar("T")


class Inference:
    """One or more Tritons, each given as host:port or unix:/PATH, or some as dns:///name:port.

    Make it within the running event loop. `tls`: for those beyond Unix sockets; None: plain text. Names are
    followed, and servers that hang found out, within `running`. Raises SettingError.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        timeout_s: float,
        tls: grpc.ChannelCredentials | None = None,
        look_up: LookUp = look_up,
    ) -> None:
        self._fleet = Fleet(urls, timeout_s, tls, look_up)
        self._timeout_s = timeout_s
        self._tie = secrets.token_hex(4)  # so that not all servers of ours begin with the same Triton

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Inference"]:
        try:
            async with self._fleet.running():
                yield self
        finally:
            await self.close()

    async def text_to_image(self, order: PictureOrder, on_progress: Progress) -> Picture:
        """`on_progress` is told rising shares of the work done, 0 to 1; what it raises ends the order.

        Waits while the Tritons hold all that they can. Cancelling this call cancels the order in Triton, at
        its next denoising step. Raises InferenceError.
        """
        progress = _rising(on_progress)
        wanted = Wanted(order.model, order.character, f"{order.seed} {order.prompt}", order.style)

        async def choose(failures: Mapping[str, ServerFailed]) -> Member | None:
            return await self._fleet.place_for(wanted, failures)

        async def draw(triton: Triton) -> Picture:
            return await triton.draw(order, progress)

        return await self._ask_any(TEXT_TO_IMAGE, choose, draw, self._timeout_s, order.model)

    async def infer(
        self, model: str, inputs: Mapping[str, Array], outputs: Sequence[str], *, timeout_s: float
    ) -> dict[str, Array]:
        """One request with one answer, which any server may be asked for again. Bytes are of dtype object.

        Raises InferenceError.
        """

        async def choose(failures: Mapping[str, ServerFailed]) -> Member | None:
            state = choose_for_request(self._fleet.states, model, self._tie, time.monotonic(), failures)
            return self._fleet[state.name] if state else None

        async def ask(triton: Triton) -> dict[str, Array]:
            return await triton.answer(model, inputs, outputs)

        return await self._ask_any(model, choose, ask, timeout_s)

    async def until_room(self) -> None:
        """Until an order that is taken from the queue now would be drawn at once."""
        await self._fleet.until_room()

    async def ready(self) -> bool:
        """Whether at least one Triton takes orders."""
        return any(await asyncio.gather(*(self._is_ready(member) for member in self._fleet)))

    async def inventories(self) -> dict[str, Inventory | None]:
        """What each Triton can draw with, by its address; None of one that does not tell."""
        members = list(self._fleet)
        told = await asyncio.gather(*(member.take_inventory() for member in members))
        self._fleet.tell_move()
        return {member.state.name: inventory for member, inventory in zip(members, told, strict=True)}

    async def follow_names(self) -> None:
        """Looks now, and not only in a while."""
        await self._fleet.follow_names()

    async def close(self) -> None:
        await self._fleet.close()

    async def _is_ready(self, member: Member) -> bool:
        ready = await member.triton.is_ready()
        if ready:
            member.feel(True)
            self._fleet.tell_move()
        return ready

    async def _ask_any(
        self,
        lane: str,
        choose: Callable[[Mapping[str, ServerFailed]], Awaitable[Member | None]],
        ask: Callable[[Triton], Awaitable[T]],
        timeout_s: float,
        model: str = "",
    ) -> T:
        """What `ask` makes of the first server that does not fail. `model`: of an order."""
        failures = dict[str, ServerFailed]()
        member: Member | None = None
        try:
            async with asyncio.timeout(timeout_s):
                while _begun(failures) < MAX_BEGUN and (member := await choose(failures)):
                    try:
                        async with member.asked(lane, model):
                            return await ask(member.triton)
                    except ServerFailed as error:
                        failures[member.state.name] = error
                    finally:
                        self._fleet.tell_move()
                    member = None
        except TimeoutError:
            if member is not None:
                member.rest(lane)
            raise InferenceError(f"no answer of {lane} within {timeout_s:g} s") from None
        raise InferenceError(
            f"no Triton takes orders: {'; '.join(map(str, failures.values())) or 'none answers'}",
            FailureScope.WORK if _begun(failures) else FailureScope.SERVERS,
        )


def _begun(failures: Mapping[str, ServerFailed]) -> int:
    return sum(error.scope is FailureScope.WORK for error in failures.values())


def _rising(on_progress: Progress) -> Progress:
    """An order that starts again on another server must not be seen to fall back."""
    best = 0.0

    async def forward(share: float) -> None:
        nonlocal best
        if share > best:
            best = share
            await on_progress(share)

    return forward
