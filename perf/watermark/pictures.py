"""The pictures: photographs that packages ship, the demo model's output, flat art, text, gradients."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from contract.sizes import SIZES
from perf.baseline_picture import Networks, draw, load

Pixels = npt.NDArray[np.uint8]
MODELS = Path(__file__).parents[2] / "demo" / "models"
SKIMAGE = (
    "astronaut.png", "brick.png", "camera.png", "chelsea.png", "coffee.png", "coins.png", "grass.png",
    "gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png", "retina.jpg",
    "rocket.jpg",
)  # fmt: skip
SKLEARN = ("china.jpg", "flower.jpg")
MATPLOTLIB = "grace_hopper.jpg"
FONT = "fonts/ttf/DejaVuSans.ttf"
DRAWN = (
    "a red car on the beach", "a white rabbit in the forest", "a blue house in the mountains, outline",
    "a yellow bus in the city at night, neon", "an orange cat in a cosy room", "a lighthouse, watercolour",
    "a pink castle in a meadow, paper cut", "a green boat on the beach at sunset", "a penguin in the snow",
    "a purple flower in a meadow", "two black dogs in a room", "a rocket in the desert at night",
    "a woman with long red hair in a blue dress waving in the city", "three birds in the forest, outline",
    "a brown mushroom in the forest, soft light", "a hot-air balloon in the mountains, watercolour",
)  # fmt: skip
FLAT, PAGES = 16, 6
SKIES = (
    ((20, 30, 80), (240, 200, 150)),
    ((250, 250, 250), (200, 220, 255)),
    ((0, 0, 0), (60, 60, 60)),
    ((255, 180, 190), (150, 120, 255)),
    ((128, 128, 128), (136, 136, 136)),
    ((10, 90, 60), (230, 240, 90)),
)
PAPER = (((248, 244, 232), (40, 30, 30)), ((20, 20, 30), (225, 225, 225)), ((205, 220, 235), (20, 30, 60)))


@dataclass(frozen=True)
class Sample:
    name: str
    kind: str
    pixels: Pixels


def samples(only: Collection[str] = (), shrink: int = 1) -> Iterator[Sample]:
    """In all the API's sizes, by turns: landscape, square and portrait. `only`: names, all where none is.
    `shrink`: divides the sides."""
    for number, (kind, name, maker) in enumerate(_makers()):
        width, height = (side // shrink for side in SIZES[number % len(SIZES)])
        if not only or name in only:
            yield Sample(name, kind, maker(width, height))


Maker = Callable[[int, int], Pixels]
"""Width and height → a picture."""


def _makers() -> Iterator[tuple[str, str, Maker]]:
    """Kind, name and maker of each that can be made with the packages that are there."""
    for path in _photographs():
        yield "photograph", path.stem, partial(_filled, path)
    networks = load(MODELS, "eros")
    for number, prompt in enumerate(DRAWN):
        yield "demo model", prompt, partial(_drawn, networks, number, prompt)
    for number in range(FLAT) if find_spec("skia") else ():
        yield "flat art", f"scene {number}", partial(_scene, number)
    for number, colours in enumerate(SKIES):
        yield "gradient", f"gradient {number}", partial(_gradient, colours)
    for number in range(PAGES) if find_spec("matplotlib") else ():
        yield "text", f"page {number}", partial(_page, number)


def _photographs() -> Iterator[Path]:
    if find_spec("skimage"):
        yield from (_folder("skimage") / "data" / name for name in SKIMAGE)
    if find_spec("sklearn"):
        yield from (_folder("sklearn") / "datasets" / "images" / name for name in SKLEARN)
    if find_spec("matplotlib"):
        yield _folder("matplotlib") / "mpl-data" / "sample_data" / MATPLOTLIB


def _folder(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def _filled(path: Path, width: int, height: int) -> Pixels:
    """The middle of a photograph, enlarged or reduced to the size asked for."""
    image = Image.open(path).convert("RGB")
    factor = max(width / image.width, height / image.height)
    image = image.resize(
        (max(width, round(image.width * factor)), max(height, round(image.height * factor))),
        Image.Resampling.LANCZOS,
    )
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return np.asarray(image.crop((left, top, left + width, top + height)))


def _scene(number: int, width: int, height: int) -> Pixels:
    from demo.scenes.render import render  # with skia
    from demo.scenes.scene import any_scene

    return render(any_scene(77_000 + number), width, height)


def _drawn(networks: Networks, number: int, prompt: str, width: int, height: int) -> Pixels:
    order = {"prompt": prompt, "negative": "", "width": width, "height": height}
    pixels, _ = draw(networks, {**order, "steps": 10, "guidance": 4.0, "seed": number})
    return np.asarray(pixels, np.uint8)


def _gradient(colours: tuple[tuple[int, ...], tuple[int, ...]], width: int, height: int) -> Pixels:
    share = (np.linspace(0, 1, width)[None, :, None] + np.linspace(0, 1, height)[:, None, None]) / 2
    first, last = (np.array(colour) for colour in colours)
    return np.rint(first * (1 - share) + last * share).astype(np.uint8)


def _page(number: int, width: int, height: int) -> Pixels:
    paper, ink = PAPER[number % len(PAPER)]
    size = 18 + 7 * number
    font = ImageFont.truetype(str(_folder("matplotlib") / "mpl-data" / FONT), size)
    image, random = Image.new("RGB", (width, height), paper), np.random.default_rng(number)
    pen = ImageDraw.Draw(image)
    for line in range(40, height - 60, round(size * 1.6)):
        words = ("".join(random.choice(list("abcdefghimnoprstu"), random.integers(2, 9))) for _ in range(14))
        pen.text((36, line), " ".join(words), fill=ink, font=font)
    return np.asarray(image)
