"""FastSD CPU's own API server, in its OpenVINO mode: it asks its users for this one to be fast.

It takes no noise, has no LoRA in this mode, and waits for each picture with its whole event loop.
"""

import base64
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from embedded.part import free_port
from perf.peers.order import PeerOrder
from perf.peers.server_process import server_process
from perf.system import BenchError

# As `python src/app.py --api` does; the package's own app module does not import as it is installed.
START = "import sys; from fastsdcpu.api.web import start_web_server; start_web_server(int(sys.argv[1]))"


@dataclass(frozen=True)
class FastsdServer:
    url: str
    pid: int
    model: str
    http: aiohttp.ClientSession

    async def draw(self, order: PeerOrder) -> bytes:
        body = {
            "use_openvino": True,
            "use_offline_model": True,
            "openvino_lcm_model_id": self.model,
            "prompt": order.prompt,
            "negative_prompt": order.negative,
            "image_width": order.width,
            "image_height": order.height,
            "inference_steps": order.steps,
            "guidance_scale": order.guidance,
            "seed": order.seed,
            "use_seed": True,
        }
        async with self.http.post(f"{self.url}/api/generate", json=body) as response:
            answer = await response.json()
        if not answer.get("images"):
            raise BenchError(f"no picture: {answer.get('error') or answer.get('detail')}")
        return base64.b64decode(answer["images"][0])


@contextlib.asynccontextmanager
async def fastsd_server(
    python: Path, folder: Path, http: aiohttp.ClientSession
) -> AsyncIterator[FastsdServer]:
    own = folder / "fastsd"
    (own / "configs").mkdir(parents=True, exist_ok=True)
    url = f"http://127.0.0.1:{(port := free_port())}"
    environment = {"CONFIG_DIRECTORY": str(own / "configs"), "MODELS_DIRECTORY": str(own / "models")}
    command = [str(python), "-c", START, str(port)]
    async with server_process(command, f"{url}/api/", folder / "fastsd.log", environment, http) as pid:
        yield FastsdServer(url, pid, str((folder / "openvino").resolve()), http)
