"""Pictures of eight characters by turns: a model with a bank, beside merged engines of which three fit."""

import asyncio
import contextlib
import math
import subprocess
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from contract.names import CHARACTER_PARTS, network_name
from embedded.part import python_of, running
from embedded.triton import triton_part
from frontend.domain.picture import Picture, PictureOrder
from frontend.inference.client import Inference

ROOT = Path(__file__).parents[2]
MODEL = "eros"
MODELS, LORAS = ROOT / "demo" / "models", ROOT / "demo" / "loras"
STRENGTHS = (1.0, 0.7)  # two characters of each LoRA
FITTING = 3
MAX_APART = 6.0  # of 255, mean: both draw the same, but that a bank keeps factors in fp16


class MixedError(Exception):
    """One line."""


@dataclass(frozen=True)
class LoraServer:
    name: str
    inference: Inference


def characters(count: int) -> dict[str, tuple[Path, float]]:
    """LoRA and strength of each, by name."""
    found = {
        f"{lora.stem}-{number}": (lora, strength)
        for number, strength in enumerate(STRENGTHS)
        for lora in sorted(LORAS.glob("*.safetensors"))
    }
    return dict(list(found.items())[:count])


def make_characters(repository: Path, output: Path, count: int) -> None:
    """What the model in `repository` draws them with: merged networks, or factors for its bank."""
    for name, (lora, strength) in characters(count).items():
        command = [python_of("triton"), "-m", "export.character", str(lora), "--name", name]
        command += ["--model", MODEL, "--repository", str(repository), "--output", str(output)]
        done = subprocess.run(
            [*command, f"--strength={strength}"], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise MixedError(done.stderr.strip())


def resident_mb(merged: Path, names: Iterable[str]) -> int:
    """MiB in which FITTING of the characters fit, and no more."""
    folders = [[merged / network_name(MODEL, part, name) for part in CHARACTER_PARTS] for name in names]
    sizes = [
        sum(file.stat().st_size for folder in each for file in folder.rglob("*") if file.is_file())
        for each in folders
    ]
    return math.ceil(sum(sorted(sizes)[-FITTING:]) / (1 << 20))


@contextlib.asynccontextmanager
async def serving(
    name: str, repositories: Sequence[Path], folder: Path, budget: int | None
) -> AsyncIterator[LoraServer]:
    folder.mkdir(parents=True)
    part = triton_part(data_dir=folder, repositories=repositories, resident_mb=budget)
    async with running(part, folder), Inference([part.url], timeout_s=600).running() as inference:
        yield LoraServer(name, inference)


async def _progress(share: float) -> None:
    """Nobody follows it."""


async def draw(
    contender: LoraServer, orders: Sequence[PictureOrder], at_once: int
) -> tuple[list[Picture], float]:
    """The pictures in the orders' order, and the seconds that all took."""
    places = asyncio.Semaphore(at_once)

    async def one(order: PictureOrder) -> Picture:
        async with places:
            return await contender.inference.text_to_image(order, _progress)

    started = time.perf_counter()
    pictures = await asyncio.gather(*map(one, orders))
    return pictures, time.perf_counter() - started


async def measure(
    banked: Path,
    merged: Path,
    size: tuple[int, int],
    steps: int,
    rounds: int,
    at_once: int,
    count: int,
    folder: Path,
) -> Mapping[str, list[float]]:
    """Pictures a minute of each contender, round by round, by turns. Raises MixedError."""
    plain = PictureOrder(
        prompt="standing, in a meadow, storybook illustration",
        negative="blurry",
        model=MODEL,
        character="",
        width=size[0],
        height=size[1],
        steps=steps,
        guidance=4.0,
        seed=1,
    )
    names = list(characters(count))
    orders = [replace(plain, character=name, seed=seed) for seed, name in enumerate(names)]
    rates: dict[str, list[float]] = {"bank": [], "merged": []}
    async with (
        serving("bank", [banked], folder / "of-bank", None) as one,
        serving("merged", [MODELS, merged], folder / "of-merged", resident_mb(merged, names)) as other,
    ):
        made = [(await draw(each, orders, at_once))[0] for each in (one, other)]  # engines are compiled once
        for name, first, second in zip(names, *made, strict=True):
            apart = float(np.abs(first.pixels.astype(float) - second.pixels).mean())
            if not apart <= MAX_APART:
                raise MixedError(f"{name} is another one in the bank: {apart:.1f} of 255 apart")
        for _ in range(rounds):
            for each in (one, other):
                _, seconds = await draw(each, orders, at_once)
                rates[each.name].append(60 * len(orders) / seconds)
    return rates
