"""What the whole system adds to drawing one picture: through the API, beside a bare onnxruntime loop.

python -m perf.bench_picture [--pictures 7]

By turns in one run, on the same cores: a client asks the API for a picture at 1344x768 and polls fast until
it has it; then the same order, as the server's own code makes it, is drawn from the same graphs by a plain
loop in one process. Medians. The first of each is not counted.
"""

import argparse
import asyncio
import contextlib
import io
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
from PIL import Image

from frontend.actions.generate import plan
from frontend.actions.generate_request import GenerateRequest
from frontend.catalogue.catalogue import load as load_catalogue
from frontend.domain.picture import PictureOrder
from frontend.jobs import instructions
from frontend.prompts.prompt import read
from frontend.settings import ROOT, Settings, load
from perf.finished_jobs import NO_TEXTS
from perf.report import machine, median, publish, read_options, table
from perf.system import BenchError, Drawn, System, system_up

PROMPT = "a small boat on a calm lake, mountains, warm lighting, -rain"
SEED = 20_000
SMOKE = {"pictures": 1}
DRAWING = ("encode", "denoise", "decode")
# Mean difference of pixels, of 255: marks may lie in the API's picture; another picture differs by 20.
ALIKE = 4.0
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class TimedPair:
    """The same order drawn twice."""

    api: Drawn
    bare_ms: Mapping[str, float]  # encode, denoise, decode, jpeg


@dataclass(frozen=True)
class Bare:
    """The plain loop, in a process of its own that stays."""

    process: asyncio.subprocess.Process
    pixels: Path  # of its last picture

    async def draw(self, order: PictureOrder) -> dict[str, float]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(orjson.dumps(asdict(order)) + b"\n")
        await self.process.stdin.drain()
        line = await self.process.stdout.readline()
        if not line:
            raise BenchError("the bare loop ended; is .venv complete (make install, make check)?")
        times: dict[str, float] = orjson.loads(line)
        return times


@contextlib.asynccontextmanager
async def bare_loop(folder: Path, settings: Settings) -> AsyncIterator[Bare]:
    model = load_catalogue(settings.catalogue_dir).default_model
    pixels = folder / "pixels.npy"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "perf.baseline_onnxruntime"),
        *(str(settings.models_dir.resolve()), model.name, str(pixels)),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Bare(process, pixels)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


async def compare(pictures: int) -> dict[str, Any]:
    """The figures; tables are printed. Raises BenchError."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder, settings = Path(name), load()
        async with bare_loop(folder, settings) as bare, system_up(folder, {}) as system:
            await _check_alike(system, bare, settings)
            pairs = [await _pair(system, bare, settings, SEED + number) for number in range(pictures + 1)][1:]
    figures = summarise(pairs)
    _show(figures, pictures)
    return figures


def order(fields: Mapping[str, Any], settings: Settings) -> PictureOrder:
    """What the server has drawn for a `generate` of these fields."""
    request = GenerateRequest.from_body({"action": "generate", **fields})
    catalogue = load_catalogue(settings.catalogue_dir)
    asked = read(request.prompt, catalogue.characters_of(catalogue.model(request.model).name))
    return instructions.order(plan(request, asked, catalogue, NO_TEXTS, owner=""))


async def _pair(system: System, bare: Bare, settings: Settings, seed: int) -> TimedPair:
    drawn = await system.draw(PROMPT, seed=seed)
    return TimedPair(drawn, await bare.draw(order({"prompt": PROMPT, "seed": seed}, settings)))


async def _check_alike(system: System, bare: Bare, settings: Settings) -> None:
    """A comparison of two different pictures would mean nothing."""
    drawn = await system.draw(PROMPT, seed=SEED, format="png")
    await bare.draw(order({"prompt": PROMPT, "seed": SEED}, settings))
    check_alike(np.asarray(Image.open(io.BytesIO(await system.download(drawn)))), np.load(bare.pixels))


def check_alike(ours: Pixels, theirs: Pixels) -> None:
    """Raises BenchError."""
    if ours.shape != theirs.shape:
        raise BenchError(f"the API and the bare loop draw in different sizes: {ours.shape}, {theirs.shape}")
    apart = float(np.abs(ours.astype(np.int16) - theirs).mean())
    if apart > ALIKE:
        raise BenchError(f"the API and the bare loop draw different pictures: {apart:.1f} of 255 apart")


def summarise(pairs: Sequence[TimedPair]) -> dict[str, Any]:
    """`overhead`: of the drawing part, from `generate` to the picture seen, less finishing and review, which
    the bare loop has nothing of, over the bare loop's encode, denoise and decode. `overhead_whole`: of all
    that the client waits for, over the bare loop with its JPEG."""
    api_ms = {name: median([pair.api.meta["timings"][name] for pair in pairs], 1) for name in _parts(pairs)}
    api_ms["rest"] = median([_rest_ms(pair) for pair in pairs], 1)
    return {
        "overhead": median([_drawing_ms(pair) / _bare_ms(pair) - 1 for pair in pairs]),
        "overhead_whole": median([pair.api.seconds * 1e3 / sum(pair.bare_ms.values()) - 1 for pair in pairs]),
        "seconds": median([pair.api.seconds for pair in pairs], 2),
        "bare_seconds": median([sum(pair.bare_ms.values()) / 1e3 for pair in pairs], 2),
        "api_ms": api_ms,
        "bare_ms": {name: median([pair.bare_ms[name] for pair in pairs], 1) for name in pairs[0].bare_ms},
    }


def _parts(pairs: Sequence[TimedPair]) -> list[str]:
    return list(pairs[0].api.meta["timings"])


def _drawing_ms(pair: TimedPair) -> float:
    timings = pair.api.meta["timings"]
    return float(pair.api.seconds * 1e3 - timings["finish"] - timings["review"])


def _bare_ms(pair: TimedPair) -> float:
    return sum(pair.bare_ms[name] for name in DRAWING)


def _rest_ms(pair: TimedPair) -> float:
    """HTTP, Redis, gRPC, the way of the pixels out of Triton, storing, and the wait for the next poll."""
    return float(pair.api.seconds * 1e3 - sum(pair.api.meta["timings"].values()))


def _show(figures: Mapping[str, Any], pictures: int) -> None:
    api, bare = figures["api_ms"], figures["bare_ms"]
    rows = [(name, api.get(name, ""), bare.get(name, "")) for name in [*api, *(set(bare) - set(api))]]
    rows.append(("sum", figures["seconds"] * 1e3, figures["bare_seconds"] * 1e3))
    table(f"One picture, medians of {pictures}", ("", "API ms", "bare loop ms"), rows)
    share = f"drawing {figures['overhead']:+.1%}, everything {figures['overhead_whole']:+.1%}"
    table(
        "Aims: drawing at most +10 %, 8 s a picture",
        ("", ""),
        [("overhead", share), ("s", figures["seconds"])],
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=7)
    given = read_options(parser, SMOKE)
    where = machine()
    try:
        publish("picture", asyncio.run(compare(given.pictures)), where, smoke=given.smoke)
    except BenchError as error:
        sys.exit(f"bench-picture: {error}")


if __name__ == "__main__":
    main()
