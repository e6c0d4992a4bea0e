"""Who is measured: one row each."""

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import aiohttp

from perf.peers.app_server import app_server
from perf.peers.fastsd_server import fastsd_server
from perf.peers.install import python_of_peer
from perf.peers.invokeai_server import invokeai_server
from perf.peers.order import PeerOrder
from perf.peers.ours_server import ours_server

Noise = Literal["tensor", "seed"]


class PeerServer(Protocol):
    """Running, and its model loaded or loaded with the first picture."""

    @property
    def pid(self) -> int: ...
    async def draw(self, order: PeerOrder) -> bytes:
        """An encoded picture. Raises BenchError."""


Start = Callable[[Path, str, aiohttp.ClientSession], AbstractAsyncContextManager[PeerServer]]
"""Of the folder with checkpoint, LoRAs and repository; the prompt as a client writes it; a session."""


@dataclass(frozen=True, kw_only=True)
class Peer:
    name: str
    start: Start
    environment: str = ""  # under .venv/parts/peers; "" is ours
    noise: Noise  # what its first noise comes from
    same: str  # what of the order is the same as for everybody, for people
    alike_db: float | None = None  # least PSNR to the reference; None: it draws another picture
    characters: bool = True  # whether it draws with a LoRA
    needs_openvino: bool = False  # what optimum exports


def _app(environment: str, module: str, option: str = "") -> Start:
    @contextlib.asynccontextmanager
    async def start(folder: Path, prompt: str, http: aiohttp.ClientSession) -> AsyncIterator[PeerServer]:
        async with app_server(python_of_peer(environment), module, option, folder, http) as server:
            yield server

    return start


@contextlib.asynccontextmanager
async def _ours(folder: Path, prompt: str, http: aiohttp.ClientSession) -> AsyncIterator[PeerServer]:
    async with ours_server(folder, prompt) as server:
        yield server


@contextlib.asynccontextmanager
async def _fastsd(folder: Path, prompt: str, http: aiohttp.ClientSession) -> AsyncIterator[PeerServer]:
    async with fastsd_server(python_of_peer("fastsd"), folder, http) as server:
        yield server


@contextlib.asynccontextmanager
async def _invokeai(folder: Path, prompt: str, http: aiohttp.ClientSession) -> AsyncIterator[PeerServer]:
    async with invokeai_server(python_of_peer("invokeai"), folder, http) as server:
        yield server


REFERENCE = "diffusers-fp32"
SAME_NOISE = "prompt, size, steps, guidance, Euler, noise"
SAME_ORDER = "prompt, size, steps, guidance, Euler"
# dB. Two fp32 engines differ by rounding alone; ours has an invisible mark besides, at 40 dB and more. bf16
# keeps 8 bits: a step's error is some hundredths of its size, and four steps add up.
FP32_DB, MARKED_DB, BF16_DB = 40.0, 30.0, 20.0
PEERS = (
    Peer(
        name=REFERENCE,
        start=_app("diffusers", "diffusers_pipeline", "fp32"),
        environment="diffusers",
        noise="tensor",
        same=SAME_NOISE,
        alike_db=FP32_DB,
    ),
    Peer(name="ours", start=_ours, noise="tensor", same=SAME_NOISE, alike_db=MARKED_DB),
    Peer(
        name="openvino-genai",
        start=_app("openvino", "openvino_pipeline"),
        environment="openvino",
        noise="tensor",
        same=SAME_NOISE,
        alike_db=BF16_DB,
        needs_openvino=True,
    ),
    Peer(
        name="diffusers-bf16",
        start=_app("diffusers", "diffusers_pipeline", "bf16"),
        environment="diffusers",
        noise="tensor",
        same=SAME_NOISE,
        alike_db=BF16_DB,
    ),
    Peer(
        name="stable-diffusion.cpp",
        start=_app("sdcpp", "sdcpp_pipeline"),
        environment="sdcpp",
        noise="seed",
        same=SAME_ORDER,
    ),
    Peer(name="invokeai", start=_invokeai, environment="invokeai", noise="seed", same=SAME_ORDER),
    Peer(
        name="fastsd-cpu",
        start=_fastsd,
        environment="fastsd",
        noise="seed",
        same=SAME_ORDER,
        characters=False,
        needs_openvino=True,
    ),
)
