"""Settings away from town."""

from __future__ import annotations

from random import Random

from demo.scenes.lights import Light
from demo.scenes.palette import mix, rgb
from demo.scenes.pen import Pen
from demo.scenes.places.sky import fir, gradient, peak, ridge, sky

HORIZON = 0.34


def forest(pen: Pen, width: float, lit: Light, random: Random, detail: bool) -> None:
    sky(pen, width, lit, random)
    ridge(pen, width, 0.46, 0.16, rgb("8dbb96"), random)
    far, near = rgb("4f9a6b"), rgb("2c7050")
    for number in range(9):
        fir(pen, width * (number + random.uniform(0.2, 0.8)) / 9, HORIZON, random.uniform(0.36, 0.5), far)
    gradient(pen, (0, 0, width, HORIZON), rgb("4c9149"), rgb("86bf63"))
    for x in (
        random.uniform(0.0, 0.07),
        random.uniform(0.12, 0.2),
        random.uniform(0.8, 0.88),
        random.uniform(0.93, 1.0),
    ):
        fir(pen, width * x, HORIZON - random.uniform(0.02, 0.08), random.uniform(0.6, 0.78), near)
    if detail:
        _flowers(pen, width, random, 18)


def mountains(pen: Pen, width: float, lit: Light, random: Random, detail: bool) -> None:
    sky(pen, width, lit, random)
    shift = random.uniform(-0.06, 0.06)
    for x, height, spread, colour in (
        (0.5 + shift, 0.5, 0.42, "9fb0d8"),
        (0.15 + shift, 0.4, 0.36, "7f93c6"),
        (0.86 + shift, 0.44, 0.38, "7288bd"),
    ):
        peak(pen, width * x, HORIZON - 0.1, height + 0.08, spread, rgb(colour), snowy=detail)
    ridge(pen, width, 0.27, 0.14, rgb("6fae7b"), random)
    ridge(pen, width, 0.14, 0.12, rgb("58995f"), random)


def snow(pen: Pen, width: float, lit: Light, random: Random, detail: bool) -> None:
    sky(pen, width, lit, random)
    ridge(pen, width, 0.38, 0.14, rgb("cfe0f2"), random)
    for _ in range(6 if detail else 0):
        fir(pen, width * random.uniform(0, 1), HORIZON, random.uniform(0.2, 0.34), rgb("6f9fae"))
    gradient(pen, (0, 0, width, HORIZON), rgb("ffffff"), rgb("e4eefa"))
    ridge(pen, width, 0.05, 0.1, rgb("f4f8fd"), random)


def desert(pen: Pen, width: float, lit: Light, random: Random, detail: bool) -> None:
    sky(pen, width, lit, random)
    ridge(pen, width, 0.34, 0.2, rgb("e8b978"), random)
    ridge(pen, width, 0.24, 0.16, rgb("eec98a"), random)
    gradient(pen, (0, 0, width, 0.22), rgb("e9bd78"), rgb("f5d79b"))
    for x in (random.uniform(0.03, 0.15), random.uniform(0.85, 0.97)) if detail else ():
        _saguaro(pen, width * x, 0.26, random.uniform(0.2, 0.28))


def meadow(pen: Pen, width: float, lit: Light, random: Random, detail: bool) -> None:
    sky(pen, width, lit, random)
    ridge(pen, width, 0.34, 0.16, rgb("a7d38a"), random)
    gradient(pen, (0, 0, width, HORIZON), rgb("6fbb55"), rgb("9ed673"))
    if detail:
        _flowers(pen, width, random, 26)


def lake(pen: Pen, width: float, lit: Light, random: Random, detail: bool) -> None:
    sky(pen, width, lit, random)
    ridge(pen, width, 0.42, 0.18, rgb("86b59a"), random)
    for x in (0.06, 0.14, 0.9, 0.97) if detail else ():
        fir(pen, width * x, 0.42, random.uniform(0.2, 0.28), rgb("4a8a6c"))
    gradient(
        pen, (0, 0.16, width, 0.44), mix(lit.sky[1], rgb("4fa3c9"), 0.6), mix(lit.sky[0], rgb("9ad4e6"), 0.4)
    )
    for _ in range(7):
        x, y = random.uniform(0, width), random.uniform(0.26, 0.41)
        pen.stroke([(x, y), (x + random.uniform(0.06, 0.14), y)], mix(lit.sky[1], (1, 1, 1), 0.5), 0.006)
    ridge(pen, width, 0.1, 0.14, rgb("7fbf6a"), random)


def _flowers(pen: Pen, width: float, random: Random, count: int) -> None:
    for _ in range(count):
        x, y = random.uniform(0, width), random.uniform(0.02, 0.3)
        petals = rgb(random.choice(("f9d84a", "f486b5", "ffffff", "e8604c")))
        pen.dot(x, y, 0.017 * (1.3 - 2 * y), petals)
        pen.dot(x, y, 0.006 * (1.3 - 2 * y), rgb("f5a623"))


def _saguaro(pen: Pen, x: float, base: float, height: float) -> None:
    green = rgb("5d9b5f")
    pen.line([(x, base), (x, base + height)], green, 0.2 * height)
    pen.line(
        [
            (x, base + 0.4 * height),
            (x - 0.28 * height, base + 0.45 * height),
            (x - 0.28 * height, base + 0.7 * height),
        ],
        green,
        0.13 * height,
    )
    pen.line(
        [
            (x, base + 0.3 * height),
            (x + 0.26 * height, base + 0.35 * height),
            (x + 0.26 * height, base + 0.58 * height),
        ],
        green,
        0.13 * height,
    )
