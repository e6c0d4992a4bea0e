"""Stand-ins at the system's boundary: real objects with real behaviour, told what to do by the test."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from aiohttp import ClientSession, web

from contract.inventory import Inventory
from embedded.part import free_port
from frontend.domain.inference_error import FailureScope, InferenceError
from frontend.domain.picture import Picture, PictureOrder
from frontend.settings import Settings

STEPS = 4


def painting(order: PictureOrder) -> Picture:
    """Bands of colour that depend on the whole order, so that mixed-up orders show."""
    seed = abs(hash((order.prompt, order.negative, order.seed, order.character))) % 2**32
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (order.height // 32, order.width // 32, 3), dtype=np.uint8)
    pixels = np.repeat(np.repeat(small, 32, axis=0), 32, axis=1)
    timings = {"encode": 1.0, "denoise": 2.0, "decode": 3.0}
    told = {"runtime": "openvino 2026.4.1 f32", "sampling": "euler leading"}
    return Picture(np.ascontiguousarray(pixels), timings, {"engine": "e" * 64}, **told)


def bag_of_words(text: str) -> npt.NDArray[np.float32]:
    """float32 [64], of length 1: the same for words in another order, near for most of the same words."""
    vector = np.full(64, 1e-3)
    for word in text.lower().replace(",", " ").split():
        seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")
        vector += np.random.default_rng(seed).normal(size=64)
    unit: npt.NDArray[np.float32] = (vector / np.linalg.norm(vector)).astype(np.float32)
    return unit


@dataclass
class FakeTriton:
    """Draws at once, or when told to; can fail. Keeps what it was asked."""

    orders: list[PictureOrder] = field(default_factory=list)
    cancelled: int = 0
    failures: list[Exception] = field(default_factory=list)
    takes_orders: bool = True
    asked_ready: int = 0
    asked_room: int = 0
    encoder_fails: bool = False
    inventory: Inventory | None = None  # None: it does not tell
    asked_inventory: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    room: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()
        self.room.set()

    async def text_to_image(
        self, order: PictureOrder, on_progress: Callable[[float], Awaitable[None]]
    ) -> Picture:
        self.orders.append(order)
        if self.failures:
            raise self.failures.pop(0)
        try:
            for step in range(STEPS):
                await on_progress(step / STEPS)
                await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return painting(order)

    async def infer(
        self,
        model: str,
        inputs: Mapping[str, npt.NDArray[Any]],
        outputs: Sequence[str],
        *,
        timeout_s: float,
    ) -> dict[str, npt.NDArray[Any]]:
        """As the prompt encoder answers one text."""
        if self.encoder_fails:
            raise InferenceError("no Triton takes orders", FailureScope.SERVERS)
        vector = bag_of_words(inputs["text"][0, 0].decode())
        return {"embedding": vector[None], "encoder": np.array([[b"0" * 64]], dtype=object)}

    async def ready(self) -> bool:
        self.asked_ready += 1
        return self.takes_orders

    async def until_room(self) -> None:
        self.asked_room += 1
        await self.room.wait()

    async def inventories(self) -> Mapping[str, Inventory | None]:
        self.asked_inventory += 1
        return {"triton:8001": self.inventory}

    @contextlib.asynccontextmanager
    async def opened(self, settings: Settings) -> AsyncIterator["FakeTriton"]:
        yield self


SAFE: dict[str, object] = {"compliance": "safe", "codes": [], "categories": []}
UNSAFE: dict[str, object] = {
    "compliance": "unsafe",
    "codes": ["weapons-1"],
    "categories": [{"id": "weapons", "name": "Weapons"}, {"id": "gore", "name": "Gore"}],
}


AcsAnswer = Callable[[dict[str, object]], Awaitable[web.StreamResponse]]
_HTTP = web.AppKey("http", ClientSession)


@dataclass
class FakeAcs:
    """An HTTP reviewer that fetches the picture, as a real one would, and then answers as told.

    `answer` is given the verdict that it would give of itself.
    """

    answer: AcsAnswer | None = None
    verdict: dict[str, object] = field(default_factory=lambda: SAFE)
    reviews: list[dict[str, object]] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)
    url: str = ""
    rulesets: dict[str, str] = field(default_factory=dict)  # name → version; none: they are not listed
    listed: int = 0  # how often the rulesets were asked for
    probed: int = 0  # how often it was asked whether it is there

    async def _list(self, request: web.Request) -> web.StreamResponse:
        self.listed += 1
        if not self.rulesets:
            raise web.HTTPNotFound
        listed = [{"name": name, "version": version} for name, version in self.rulesets.items()]
        return web.json_response({"rulesets": listed})

    async def _probe(self, request: web.Request) -> web.StreamResponse:
        self.probed += 1
        return web.json_response({})

    async def _review(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.reviews.append(body)
        async with request.app[_HTTP].get(body["image_url"]) as picture:
            self.pictures.append(await picture.read())
        verdict = {**self.verdict, "sha256": hashlib.sha256(self.pictures[-1]).hexdigest()}
        if self.answer:
            return await self.answer(verdict)
        version = self.rulesets.get(str(body["ruleset"]), "")
        return web.json_response(verdict, headers={"Ruleset-Version": version} if version else None)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["FakeAcs"]:
        app = web.Application()
        app.add_routes(
            [
                web.post("/v1/reviews", self._review),
                web.get("/v1/rulesets", self._list),
                web.get("/healthz", self._probe),
            ]
        )
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        async with ClientSession() as http:
            app[_HTTP] = http
            async with listening(app, port):
                yield self


@contextlib.asynccontextmanager
async def listening(app: web.Application, port: int) -> AsyncIterator[None]:
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()
