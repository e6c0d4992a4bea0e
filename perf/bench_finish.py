"""Milliseconds per stage of finishing at 1344x768, beside the bare libraries, and how long it holds the loop.

python -m perf.bench_finish [PICTURE] [--rounds 7]
"""

import argparse
import asyncio
import io
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pdqhash
from PIL import Image, ImageDraw

from frontend.finishing.finish import Finisher
from frontend.invisible_mark.keys import load_mark_keys
from frontend.picture import Credentials, Encoding, Finished, Picture, VisibleMark
from frontend.settings import Settings

SIZE = (1344, 768)
CASES = [("jpeg", False), ("png", False), ("webp", False), ("webp", True), ("avif", False), ("avif", True)]
TICK_S = 0.0005


def scene() -> npt.NDArray[np.uint8]:
    """Shapes over a sky, with a little grain: compresses about as a drawn picture does."""
    random = np.random.default_rng(3)
    coarse = Image.fromarray(random.integers(60, 200, (5, 8, 3), dtype=np.uint8))
    image = coarse.resize(SIZE, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for x, y, radius in zip(
        random.integers(0, SIZE[0], 60),
        random.integers(0, SIZE[1], 60),
        random.integers(8, 90, 60),
        strict=True,
    ):
        colour = tuple(int(value) for value in random.integers(0, 256, 3))
        draw.ellipse((int(x - radius), int(y - radius), int(x + radius), int(y + radius)), fill=colour)
    grain = random.normal(0, 2, (SIZE[1], SIZE[0], 3))
    return np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)


def mark() -> VisibleMark:
    image = Image.new("RGBA", (600, 200), (0, 0, 0, 0))
    ImageDraw.Draw(image).ellipse((0, 0, 599, 199), fill=(255, 255, 255, 200))
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return VisibleMark(
        image=stream.getvalue(),
        position="bottom-right",
        scale=20,
        opacity=80,
        rotation=15,
        padding_x=10,
        padding_y=10,
    )


CREDENTIALS = Credentials(
    gen_id="a1b2c3d4e5f6g7h8i9j0",
    author="Aya",
    title="AI Image",
    description="A lighthouse at dusk",
    organization="",
    vendor="imgen",
    model="eros",
    character="aya",
    seed=1,
    ruleset="default",
    mark="9e3779b97f4a7c15",
    when="2026-01-01T00:00:00Z",
)


async def longest_block(work: Awaitable[Finished]) -> tuple[Finished, float]:
    """The result, and the longest time in ms that the event loop did not come round while it was made."""
    task = asyncio.ensure_future(work)
    longest, last = 0.0, time.perf_counter()
    while not task.done():
        await asyncio.sleep(TICK_S)
        now = time.perf_counter()
        longest, last = max(longest, now - last - TICK_S), now
    return task.result(), longest * 1000


def bare(call: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)


def bare_encode(image: Image.Image, kind: str, lossless: bool) -> None:
    """What a first script would write: the library's defaults."""
    options = {"lossless": True} if lossless else {"quality": 95}
    image.save(io.BytesIO(), kind, **options)


async def measure(pixels: npt.NDArray[np.uint8], rounds: int) -> None:
    image = Image.fromarray(pixels)
    print(f"bare PDQ, full size: {bare(lambda: pdqhash.compute(pixels), rounds):.1f} ms")
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder))
        async with Finisher.opened(settings, load_mark_keys(settings)) as finisher:
            for kind, lossless in CASES:
                encoding = Encoding(format=kind, quality=95, lossless=lossless)
                runs = [
                    await longest_block(finisher.finish(Picture(pixels), mark(), encoding, CREDENTIALS))
                    for _ in range(rounds + 1)
                ][1:]
                stages = {
                    name: statistics.median(run.timings_ms[name] for run, _ in runs)
                    for name in runs[0][0].timings_ms
                }
                plain = bare(lambda: bare_encode(image, kind, lossless), 3)  # noqa: B023
                print(
                    f"{kind}{' lossless' if lossless else '':9}",
                    " ".join(f"{name} {value:.1f}" for name, value in stages.items()),
                    f"| library's own encode {plain:.1f}",
                    f"| {len(runs[0][0].picture.data) // 1024} KiB",
                    f"| loop held: median {statistics.median(held for _, held in runs):.1f},",
                    f"most {max(held for _, held in runs):.1f} ms",
                )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", nargs="?", help="a picture file to use in place of the drawn scene")
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    pixels = np.asarray(Image.open(given.picture).convert("RGB")) if given.picture else scene()
    asyncio.run(measure(pixels, given.rounds))


if __name__ == "__main__":
    main()
