"""Settings with walls and streets."""

from __future__ import annotations

from random import Random

from demo.scenes.lights import Light
from demo.scenes.palette import light, mix, rgb
from demo.scenes.pen import Pen
from demo.scenes.places.sky import gradient, ridge, sky

HORIZON = 0.34
_WALLS = ("7f8fb8", "9aa7c7", "b78f9f", "8b86b4", "a9b8cc", "c2a58f")


def city(pen: Pen, width: float, lit: Light, random: Random, detail: bool) -> None:
    sky(pen, width, lit, random)
    x = -0.05
    while x < width:
        wide = random.uniform(0.15, 0.22)
        _tower(pen, (x, HORIZON - 0.02), wide, random.uniform(0.22, 0.5), lit, random)
        x += wide + 0.01
    gradient(pen, (0, 0.2, width, HORIZON), rgb("b9b4c4"), rgb("cdc9d6"))
    gradient(pen, (0, 0, width, 0.2), rgb("5d5a70"), rgb("6d6a82"))
    for number in range(int(width / 0.3) + 1):
        pen.box(0.3 * number + 0.05, 0.09, 0.3 * number + 0.19, 0.105, rgb("f1e6b8"))
    for x in (0.07, 0.93) if detail else ():
        _street_lamp(pen, width * x, 0.2)


def _street_lamp(pen: Pen, x: float, base: float) -> None:
    pen.box(x - 0.012, base, x + 0.012, base + 0.42, rgb("3b3a55"))
    pen.glow(x, base + 0.46, 0.14, rgb("ffe9a8"), 0.6)
    pen.ellipse(x, base + 0.46, 0.045, 0.045, rgb("ffe9a8"))


def _tower(
    pen: Pen, corner: tuple[float, float], wide: float, tall: float, lit: Light, random: Random
) -> None:
    x, y = corner
    wall = rgb(random.choice(_WALLS))
    wall = mix(wall, rgb("1d2350"), 0.5) if lit.night else wall
    pen.box(x, y, x + wide, y + tall, wall, 0.006)
    glass = rgb("ffd978") if lit.night else light(wall, 0.45)
    rows, columns = int((tall - 0.04) / 0.075), 3
    for row in range(rows):
        for column in range(columns):
            if random.random() < 0.85:
                left = x + wide * (0.14 + 0.27 * column)
                bottom = y + tall - 0.07 - 0.075 * row
                pen.box(left, bottom, left + wide * 0.17, bottom + 0.042, glass)


def park(pen: Pen, width: float, lit: Light, random: Random, detail: bool) -> None:
    sky(pen, width, lit, random)
    ridge(pen, width, 0.38, 0.1, rgb("9ecf8c"), random)
    for x in (
        random.uniform(0.02, 0.1),
        random.uniform(0.2, 0.3),
        random.uniform(0.7, 0.8),
        random.uniform(0.9, 0.98),
    ):
        _bushy(pen, width * x, HORIZON, random.uniform(0.34, 0.44))
    gradient(pen, (0, 0, width, HORIZON + 0.02), rgb("6fb45c"), rgb("93cd75"))
    if detail:
        _path(pen, width / 2)


def _path(pen: Pen, middle: float) -> None:
    pen.blob(
        [
            (middle - 0.1, HORIZON),
            (middle + 0.02, HORIZON),
            (middle + 0.1, 0.2),
            (middle + 0.6, -0.15),
            (middle - 0.6, -0.15),
            (middle - 0.04, 0.2),
        ],
        rgb("ecd9ae"),
    )


def _bushy(pen: Pen, x: float, base: float, height: float) -> None:
    pen.box(x - 0.014, base, x + 0.014, base + 0.5 * height, rgb("8a6242"))
    pen.ellipse(x, base + 0.66 * height, 0.3 * height, 0.34 * height, rgb("5ea863"))


def room(pen: Pen, width: float, lit: Light, random: Random, detail: bool) -> None:
    wall = rgb(random.choice(("f3d9c4", "cfe3e6", "e6d5ec", "f6e7b7", "d5e6cc")))
    gradient(pen, (0, 0.2, width, 1.0), wall, light(wall, 0.2))
    gradient(pen, (0, 0, width, 0.28), rgb("b98557"), rgb("cfa06d"))
    pen.box(-0.05, 0.27, width + 0.05, 0.295, rgb("fff6ea"))
    left = width * random.choice((0.04, 0.96)) - 0.14
    left = min(max(left, 0.04), width - 0.4)
    if detail:
        _window(pen, left, lit)
    other = 0.1 if left > width / 2 else width - 0.3
    pen.box(other, 0.62, other + 0.2, 0.84, rgb("9c6b47"), 0.008)
    pen.box(other + 0.018, 0.638, other + 0.182, 0.822, rgb(random.choice(("f2c6a0", "a9d0c8", "c7b3e0"))))
    pen.ellipse(
        width / 2, 0.13, min(0.5, width * 0.42), 0.085, rgb(random.choice(("d9776b", "6fa0b8", "8f79b8")))
    )
    pen.ellipse(width / 2, 0.13, min(0.44, width * 0.36), 0.065, light(rgb("d9a66b"), 0.35))


def _window(pen: Pen, left: float, lit: Light) -> None:
    pen.box(left, 0.5, left + 0.36, 0.92, rgb("fffaf0"), 0.01)
    pen.box(left + 0.025, 0.525, left + 0.335, 0.895, lit.sky[0] if lit.night else lit.sky[1])
    pen.box(left + 0.172, 0.525, left + 0.188, 0.895, rgb("fffaf0"))
    pen.box(left + 0.025, 0.7, left + 0.335, 0.716, rgb("fffaf0"))
