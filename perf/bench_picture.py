"""What the whole system adds to drawing one picture: through the API, beside a bare loop.

python -m perf.bench_picture [--pictures 7] [--against CHECKOUT]

By turns in one run, on the same cores: a client asks the API for a picture at 1344x768 and polls, when it is
nearly due, until it has it; then the same order, as the server's own code makes it, is drawn from the same
graphs by a plain loop in one process, with the runtime that the server takes. Medians. The first of each is
not counted. With `--against`, another checkout of this project (with its .venv) draws the same pictures.
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

import msgspec
import numpy as np
import numpy.typing as npt
import orjson
from PIL import Image

from frontend.actions.generate import plan
from frontend.actions.generate_request import read_generate
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
DUE = 0.95  # of the shortest time that a picture took to be made before
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class TimedPair:
    """The same order drawn twice."""

    api: Drawn
    bare_ms: Mapping[str, float]  # encode, denoise, decode, jpeg
    before: Drawn | None = None  # by the other checkout


class BareDrawn(msgspec.Struct, frozen=True):
    """A line of the plain loop."""

    runtime: str
    ms: dict[str, float]


@dataclass(frozen=True)
class Bare:
    """The plain loop, in a process of its own that stays."""

    process: asyncio.subprocess.Process
    pixels: Path  # of its last picture

    async def draw(self, order: PictureOrder) -> "BareDrawn":
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(orjson.dumps(asdict(order)) + b"\n")
        await self.process.stdin.drain()
        line = await self.process.stdout.readline()
        if not line:
            raise BenchError("the bare loop ended; is .venv complete (make install, make check)?")
        return msgspec.json.decode(line, type=BareDrawn)


@contextlib.asynccontextmanager
async def bare_loop(folder: Path, settings: Settings) -> AsyncIterator[Bare]:
    model = load_catalogue(settings.catalogue_dir).default_model
    pixels = folder / "pixels.npy"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "perf.baseline_picture"),
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


async def compare(pictures: int, against: Path | None) -> dict[str, Any]:
    """The figures; tables are printed. Raises BenchError."""
    async with contextlib.AsyncExitStack() as stack:
        folder, other = (
            Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-"))) for _ in "ab"
        )
        settings = load()
        bare = await stack.enter_async_context(bare_loop(folder, settings))
        system = await stack.enter_async_context(system_up(folder, {}))
        before = await stack.enter_async_context(system_up(other, {}, against)) if against else None
        runtime = await _check_alike(system, bare, settings)
        print(f"The networks run in {runtime}.")
        pairs = await _draw_by_turns(system, before, bare, settings, pictures)
    figures = {"runtime": runtime, **summarise(pairs)}
    _show(figures, pictures)
    return figures


def order(fields: Mapping[str, Any], settings: Settings) -> PictureOrder:
    """What the server has drawn for a `generate` of these fields."""
    request = read_generate(fields)
    catalogue = load_catalogue(settings.catalogue_dir)
    asked = read(request.prompt, catalogue.characters_of(catalogue.model(request.model).name))
    return instructions.order(plan(request, asked, catalogue, NO_TEXTS, owner=""))


async def _draw_by_turns(
    system: System, before: System | None, bare: Bare, settings: Settings, pictures: int
) -> list[TimedPair]:
    pairs: list[TimedPair] = []
    systems = [system, before] if before else [system]
    made_s: dict[str, list[float]] = {one.url: [] for one in systems}
    for seed in range(SEED, SEED + pictures + 1):
        drawn = []
        for one in systems:
            due_s = DUE * min(made_s[one.url], default=0.0)
            drawn.append(await one.draw(PROMPT, due_s=due_s, seed=seed))
            made_s[one.url].append(_made_s(drawn[-1]))
        plain = await bare.draw(order({"prompt": PROMPT, "seed": seed}, settings))
        pairs.append(TimedPair(drawn[0], plain.ms, drawn[1] if before else None))
    return pairs[1:]


async def _check_alike(system: System, bare: Bare, settings: Settings) -> str:
    """A comparison of two different pictures, or of two runtimes, would mean nothing. Returns the runtime."""
    drawn = await system.draw(PROMPT, seed=SEED, format="png")
    plain = await bare.draw(order({"prompt": PROMPT, "seed": SEED}, settings))
    check_alike(np.asarray(Image.open(io.BytesIO(await system.download(drawn)))), np.load(bare.pixels))
    if drawn.meta["runtime"] != plain.runtime:
        raise BenchError(f"the API draws with {drawn.meta['runtime']}, the bare loop with {plain.runtime}")
    return plain.runtime


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
    that the client waits for, over the bare loop with its JPEG. `vs_before`: of all that the client waits
    for, by the other checkout."""
    api_ms = {name: median([pair.api.meta["timings"][name] for pair in pairs], 1) for name in _parts(pairs)}
    api_ms["rest"] = median([_rest_ms(pair.api) for pair in pairs], 1)
    return {
        "overhead": median([_drawing_ms(pair) / _bare_ms(pair) - 1 for pair in pairs]),
        "overhead_whole": median([pair.api.seconds * 1e3 / sum(pair.bare_ms.values()) - 1 for pair in pairs]),
        "seconds": median([pair.api.seconds for pair in pairs], 2),
        "bare_seconds": median([sum(pair.bare_ms.values()) / 1e3 for pair in pairs], 2),
        "api_ms": api_ms,
        "bare_ms": {name: median([pair.bare_ms[name] for pair in pairs], 1) for name in pairs[0].bare_ms},
        **_beside_before([(pair.api, pair.before) for pair in pairs if pair.before]),
    }


def _beside_before(pairs: Sequence[tuple[Drawn, Drawn]]) -> dict[str, Any]:
    if not pairs:
        return {}
    before = [one for _, one in pairs]
    return {
        "vs_before": median([api.seconds / one.seconds for api, one in pairs]),
        "before_seconds": median([one.seconds for one in before], 2),
        "before_ms": {
            **{
                name: median([one.meta["timings"][name] for one in before], 1)
                for name in before[0].meta["timings"]
            },
            "rest": median([_rest_ms(one) for one in before], 1),
        },
    }


def _parts(pairs: Sequence[TimedPair]) -> list[str]:
    return list(pairs[0].api.meta["timings"])


def _drawing_ms(pair: TimedPair) -> float:
    timings = pair.api.meta["timings"]
    return float(pair.api.seconds * 1e3 - timings["finish"] - timings["review"])


def _bare_ms(pair: TimedPair) -> float:
    return sum(pair.bare_ms[name] for name in DRAWING)


def _made_s(drawn: Drawn) -> float:
    """Without the client's wait for it, and the review, which its first poll begins."""
    return float(sum(spent for name, spent in drawn.meta["timings"].items() if name != "review")) / 1e3


def _rest_ms(drawn: Drawn) -> float:
    """HTTP, Redis, gRPC, the way of the pixels out of Triton, storing, and the wait for the next poll."""
    return float(drawn.seconds * 1e3 - sum(drawn.meta["timings"].values()))


def _show(figures: Mapping[str, Any], pictures: int) -> None:
    api, bare, before = figures["api_ms"], figures["bare_ms"], figures.get("before_ms", {})
    names = [*api, *(set(bare) - set(api))]
    columns = {"API ms": (api, figures["seconds"]), "bare loop ms": (bare, figures["bare_seconds"])}
    if before:
        columns["before, API ms"] = (before, figures["before_seconds"])
    rows = [(name, *(times.get(name, "") for times, _ in columns.values())) for name in names]
    rows.append(("sum", *(seconds * 1e3 for _, seconds in columns.values())))
    table(f"One picture, medians of {pictures}", ("", *columns), rows)
    share = f"drawing {figures['overhead']:+.1%}, everything {figures['overhead_whole']:+.1%}"
    rows = [("overhead", share), ("s", figures["seconds"])]
    if before:
        rows.append(("beside the other checkout", figures["vs_before"]))
    table("Aims: drawing at most +10 %, 8 s a picture", ("", ""), rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=7)
    parser.add_argument(
        "--against", type=Path, help="another checkout, which draws the same pictures by turns"
    )
    given = read_options(parser, SMOKE)
    where = machine()
    try:
        publish("picture", asyncio.run(compare(given.pictures, given.against)), where, smoke=given.smoke)
    except BenchError as error:
        sys.exit(f"bench-picture: {error}")


if __name__ == "__main__":
    main()
