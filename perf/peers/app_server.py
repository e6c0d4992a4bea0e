"""The contenders that are libraries: each behind FastAPI (perf/peers/app.py), in its own environment."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path

import aiohttp

from embedded.part import free_port
from perf.peers.order import PeerOrder
from perf.peers.server_process import server_process
from perf.system import BenchError


@dataclass(frozen=True)
class AppServer:
    url: str
    pid: int
    http: aiohttp.ClientSession

    async def draw(self, order: PeerOrder) -> bytes:
        async with self.http.post(f"{self.url}/draw", json=asdict(order)) as response:
            if response.status != 200:
                raise BenchError((await response.text()).strip()[:300])
            return await response.read()


@contextlib.asynccontextmanager
async def app_server(
    python: Path, module: str, option: str, folder: Path, http: aiohttp.ClientSession
) -> AsyncIterator[AppServer]:
    url, log = f"http://127.0.0.1:{(port := free_port())}", folder / f"{module}.log"
    command = [str(python), "-m", "perf.peers.app", f"perf.peers.{module}", str(folder), str(port)]
    command += [option] if option else []
    async with server_process(command, f"{url}/healthz", log, {}, http) as pid:
        yield AppServer(url, pid, http)
