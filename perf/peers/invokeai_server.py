"""InvokeAI's own server: the checkpoint and the LoRAs installed through its API, pictures through its queue.

Its noise comes from a seed by torch, on the CPU; a tensor it does not take.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from embedded.part import free_port
from perf.peers.order import PeerOrder
from perf.peers.server_process import server_process
from perf.system import BenchError

POLL_S = 0.1
PATIENCE_S = 1800.0
ENDED = ("completed", "failed", "canceled")


@dataclass(frozen=True)
class InvokeaiServer:
    url: str
    pid: int
    models: Mapping[str, Any]  # what its API calls them, by ours: "" is the checkpoint
    http: aiohttp.ClientSession

    async def draw(self, order: PeerOrder) -> bytes:
        queue = f"{self.url}/api/v1/queue/default"
        batch = {"batch": {"graph": graph_of(order, self.models), "runs": 1}}
        made = await call(self.http, "POST", f"{queue}/enqueue_batch", batch)
        (item,) = made["item_ids"]
        async with asyncio.timeout(PATIENCE_S):
            while (state := await call(self.http, "GET", f"{queue}/i/{item}"))["status"] not in ENDED:
                await asyncio.sleep(POLL_S)
        if state["status"] != "completed":
            raise BenchError(f"no picture: {state.get('error_message') or state['status']}")
        (name,) = [
            result["image"]["image_name"]
            for result in state["session"]["results"].values()
            if result["type"] == "image_output"
        ]
        async with self.http.get(f"{self.url}/api/v1/images/i/{name}/full") as response:
            response.raise_for_status()
            return await response.read()


def graph_of(order: PeerOrder, models: Mapping[str, Any]) -> dict[str, Any]:
    """Nodes and edges, as its page makes them for text to image."""
    nodes: dict[str, dict[str, Any]] = {
        "model": {"type": "main_model_loader", "model": models[""]},
        "prompt": {"type": "compel", "prompt": order.prompt},
        "negative": {"type": "compel", "prompt": order.negative},
        "noise": {
            "type": "noise", "seed": order.seed, "width": order.width, "height": order.height,
            "use_cpu": True,
        },
        "denoise": {
            "type": "denoise_latents", "steps": order.steps, "cfg_scale": order.guidance,
            "scheduler": "euler",
        },
        "decode": {"type": "l2i", "fp32": True, "is_intermediate": False},
    }  # fmt: skip
    source = "model"
    if order.character:
        nodes["lora"] = {"type": "lora_loader", "lora": models[order.character], "weight": 1.0}
        source = "lora"
    wires = [
        (source, "unet", "denoise", "unet"),
        (source, "clip", "prompt", "clip"),
        (source, "clip", "negative", "clip"),
        ("model", "vae", "decode", "vae"),
        ("prompt", "conditioning", "denoise", "positive_conditioning"),
        ("negative", "conditioning", "denoise", "negative_conditioning"),
        ("noise", "noise", "denoise", "noise"),
        ("denoise", "latents", "decode", "latents"),
    ]
    if order.character:
        wires += [("model", "unet", "lora", "unet"), ("model", "clip", "lora", "clip")]
    kept = {"is_intermediate": True, "use_cache": False}
    return {
        "id": "text-to-image",
        "nodes": {name: {"id": name, **kept, **node} for name, node in nodes.items()},
        "edges": [
            {"source": {"node_id": a, "field": out}, "destination": {"node_id": b, "field": into}}
            for a, out, b, into in wires
        ],
    }


async def call(http: aiohttp.ClientSession, method: str, url: str, body: Any = None) -> Any:
    async with http.request(method, url, json=body) as response:
        if response.status >= 400:
            raise BenchError(f"{url.rpartition('/api/')[2]}: {(await response.text())[:300]}")
        return await response.json()


@contextlib.asynccontextmanager
async def invokeai_server(
    python: Path, folder: Path, http: aiohttp.ClientSession
) -> AsyncIterator[InvokeaiServer]:
    own = (folder / "invokeai").resolve()
    own.mkdir(exist_ok=True)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(python.with_name("invokeai-web")), "--root", str(own)]
    environment = {"INVOKEAI_PORT": str(port), "INVOKEAI_DEVICE": "cpu", "INVOKEAI_PRECISION": "float32"}
    ready = f"{url}/api/v1/app/version"
    async with server_process(command, ready, folder / "invokeai.log", environment, http) as pid:
        models = {"": await _install(http, url, folder / "checkpoint")}
        for lora in sorted((folder / "loras").glob("*.safetensors")):
            models[lora.stem] = await _install(http, url, lora)
        yield InvokeaiServer(url, pid, models, http)


async def _install(http: aiohttp.ClientSession, url: str, path: Path) -> dict[str, Any]:
    """What a graph says of the model; installed where it lies, once."""
    name = path.stem
    for known in (await call(http, "GET", f"{url}/api/v2/models/"))["models"]:
        if known["name"] == name:
            return _named(known)
    where = f"{url}/api/v2/models/install"
    async with http.post(
        where, params={"source": str(path.resolve()), "inplace": "true"}, json={"name": name}
    ) as response:
        if response.status != 201:
            raise BenchError(f"{name} is not installed: {(await response.text())[:300]}")
        job = await response.json()
    async with asyncio.timeout(PATIENCE_S):
        while (job := await call(http, "GET", f"{where}/{job['id']}"))["status"] not in (
            "completed", "error", "cancelled",
        ):  # fmt: skip
            await asyncio.sleep(POLL_S)
    if job["status"] != "completed":
        raise BenchError(f"{name} is not installed: {job.get('error_reason') or job.get('error')}")
    return _named(job["config_out"])


def _named(model: Mapping[str, Any]) -> dict[str, Any]:
    return {name: model[name] for name in ("key", "hash", "name", "base", "type")}
