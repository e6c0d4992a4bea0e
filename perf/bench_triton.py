"""Triton without the server in front: whole pictures, and single denoising steps, at rising concurrency.

python -m perf.bench_triton [--url HOST:PORT] [--model eros] [--size 1344x768] [--steps 8]
                            [--concurrency 1,2,4,8]

Without --url it starts the Triton of `imgen up`. perf_analyzer makes the load; how requests were merged into
batches, and how long they waited and were computed, is Triton's own account of the same time.
"""

import argparse
import asyncio
import contextlib
import json
import math
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from embedded.part import free_port, running
from embedded.triton import triton_part
from frontend.settings import load
from perf.analyzer import AnalyzerError, AnalyzerLoad, analyze
from perf.report import machine, publish, read_options, table
from perf.triton_statistics import Account, StatisticsError, account

PROMPTS = Path(__file__).with_name("prompts.json")
TOKENS = 77  # of a short prompt
GUIDANCE = 3.0
# Pixels a latent, for a server whose files are not here: what SDXL and Stable Diffusion 1.5 have.
USUAL_DOWNSCALE = 8
SMOKE = {"size": "256x256", "steps": 1, "concurrency": "1,2"}
PARTS = ("text-encoder", "denoiser", "decoder")


@dataclass(frozen=True)
class Plan:
    model: str
    width: int
    height: int
    steps: int
    downscale: int
    concurrency: tuple[int, ...]


@dataclass(frozen=True)
class Level:
    """One concurrency: what the client saw, and Triton's account of each network."""

    load: AnalyzerLoad
    accounts: Mapping[str, Account]


async def measure(url: str, plan: Plan, folder: Path) -> dict[str, Any]:
    """The figures; tables are printed. Raises AnalyzerError and StatisticsError."""
    async with InferenceServerClient(url) as client:
        pictures = _picture_options(plan, folder)
        steps = await _step_options(client, plan, folder)
        networks = [f"{plan.model}-{part}" for part in PARTS]
        await analyze(url, "text_to_image", 1, 1, pictures, folder)  # the first one of a shape is slower
        whole, single = {}, {}
        for count in plan.concurrency:
            requests = max(3, count)
            load, accounts = await _watched(
                client, networks, analyze(url, "text_to_image", count, requests, pictures, folder)
            )
            whole[count] = Level(load, accounts)
        for count in plan.concurrency:
            requests = max(8, 2 * count)
            load, accounts = await _watched(
                client, networks[1:2], analyze(url, networks[1], count, requests, steps, folder)
            )
            single[count] = Level(load, accounts)
    figures = summarise(plan.model, whole, single)
    _show(plan, figures)
    return figures


async def _watched(
    client: InferenceServerClient, networks: Sequence[str], work: Any
) -> tuple[AnalyzerLoad, dict[str, Account]]:
    before = {name: await account(client, name) for name in networks}
    load: AnalyzerLoad = await work
    return load, {name: (await account(client, name)).since(before[name]) for name in networks}


def _picture_options(plan: Plan, folder: Path) -> list[str]:
    file = folder / "pictures.json"
    file.write_text(json.dumps({"data": orders(plan, json.loads(PROMPTS.read_text()))}))
    return ["--streaming", "--input-data", str(file)]


def orders(plan: Plan, prompts: Sequence[str]) -> list[dict[str, list[Any]]]:
    """One request each, as perf_analyzer takes them."""
    return [
        {
            "prompt": [prompt],
            "negative": ["blurry"],
            "model": [plan.model],
            "character": [""],
            "width": [plan.width],
            "height": [plan.height],
            "steps": [plan.steps],
            "guidance": [GUIDANCE],
            "seed": [seed],
        }
        for seed, prompt in enumerate(prompts)
    ]


async def _step_options(client: InferenceServerClient, plan: Plan, folder: Path) -> list[str]:
    """Values for the denoiser's inputs. perf_analyzer's own random ones make a network overflow."""
    try:
        described = await client.get_model_metadata(f"{plan.model}-denoiser", as_json=True)
    except InferenceServerException as error:
        raise StatisticsError(f"{plan.model}-denoiser: {error.message()}") from None
    row = {}
    for tensor in described["inputs"]:
        shape = step_shape(tensor["name"], [int(axis) for axis in tensor["shape"][1:]], plan)
        row[tensor["name"]] = {"content": step_values(tensor["name"], math.prod(shape)), "shape": shape}
    file = folder / "step.json"
    file.write_text(json.dumps({"data": [row]}))
    return ["--input-data", str(file)]


def step_values(name: str, count: int) -> list[float]:
    """As wide as normal numbers; noise levels of a step in the middle."""
    levels = {"sigma": 2.0, "sigma_next": 1.5, "guidance": GUIDANCE}
    return [levels.get(name, (number * 37 % 101 - 50) / 29) for number in range(count)]


def step_shape(name: str, declared: Sequence[int], plan: Plan) -> list[int]:
    """`declared` without its batch axis, with -1 for a free one; latents are [C,h,w], embeddings [T,D]."""
    free = [plan.height // plan.downscale, plan.width // plan.downscale] if name == "latents" else [TOKENS]
    sizes = iter(free)
    return [next(sizes) if axis < 0 else axis for axis in declared]


def summarise(model: str, whole: Mapping[int, Level], single: Mapping[int, Level]) -> dict[str, Any]:
    """Keyed by concurrency."""
    denoiser = f"{model}-denoiser"
    return {
        "pictures_per_s": {str(count): round(level.load.per_second, 3) for count, level in whole.items()},
        "mean_batch": {
            str(count): round(level.accounts[denoiser].mean_batch, 2) for count, level in whole.items()
        },
        "picture_p50_ms": {str(count): round(level.load.p50_ms) for count, level in whole.items()},
        "picture_p90_ms": {str(count): round(level.load.p90_ms) for count, level in whole.items()},
        "networks_ms": {
            str(count): {name: each.per_request_ms() for name, each in level.accounts.items()}
            for count, level in whole.items()
        },
        "steps_per_s": {str(count): round(level.load.per_second, 2) for count, level in single.items()},
        "step_mean_batch": {
            str(count): round(level.accounts[denoiser].mean_batch, 2) for count, level in single.items()
        },
        "step_p50_ms": {str(count): round(level.load.p50_ms, 1) for count, level in single.items()},
        "step_p90_ms": {str(count): round(level.load.p90_ms, 1) for count, level in single.items()},
        "step_ms": {str(count): level.accounts[denoiser].per_request_ms() for count, level in single.items()},
    }


def _show(plan: Plan, figures: Mapping[str, Any]) -> None:
    columns = ("p50 ms", "p90 ms", "mean batch", "queue ms", "compute ms", "copy ms")
    size = f"{plan.width}x{plan.height}, {plan.steps} steps"
    steps = {count: each[f"{plan.model}-denoiser"] for count, each in figures["networks_ms"].items()}
    names = ("pictures_per_s", "picture_p50_ms", "picture_p90_ms", "mean_batch")
    table(
        f"Whole pictures, {size}; from mean batch on: the denoiser, for each step of a picture",
        ("at a time", "pictures/s", *columns),
        [(count, *(figures[name][count] for name in names), *step.values()) for count, step in steps.items()],
    )
    steps, names = figures["step_ms"], ("steps_per_s", "step_p50_ms", "step_p90_ms", "step_mean_batch")
    table(
        "Single denoising steps of the same size",
        ("at a time", "steps/s", *columns),
        [(count, *(figures[name][count] for name in names), *step.values()) for count, step in steps.items()],
    )


@contextlib.asynccontextmanager
async def embedded_triton(folder: Path, models: Path) -> AsyncIterator[str]:
    part = triton_part(port=free_port(), data_dir=folder, repositories=[models.resolve()])
    async with running(part, folder):
        yield part.url


async def run(given: argparse.Namespace) -> dict[str, Any]:
    width, _, height = given.size.partition("x")
    models = load().models_dir
    downscale = given.downscale or (USUAL_DOWNSCALE if given.url else _downscale(models, given.model))
    concurrency = tuple(int(count) for count in given.concurrency.split(","))
    plan = Plan(given.model, int(width), int(height), given.steps, downscale, concurrency)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        if given.url:
            return await measure(given.url, plan, folder)
        async with embedded_triton(folder, models) as url:
            return await measure(url, plan, folder)


def _downscale(models: Path, model: str) -> int:
    file = models / f"{model}-denoiser" / "pipeline.json"
    try:
        return int(json.loads(file.read_text())["downscale"])
    except OSError as error:
        raise StatisticsError(f"{file}: {error.strerror}; see IMGEN_MODELS_DIR") from None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", help="gRPC address of a running Triton")
    parser.add_argument("--model", default="eros")
    parser.add_argument("--size", default="1344x768")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--downscale", type=int, help="pixels a latent (SDXL: 8)")
    parser.add_argument("--concurrency", default="1,2,4,8")
    given = read_options(parser, SMOKE)
    where = machine()
    try:
        publish("triton", asyncio.run(run(given)), where, smoke=given.smoke)
    except (AnalyzerError, StatisticsError) as error:
        sys.exit(f"bench-triton: {error}")


if __name__ == "__main__":
    main()
