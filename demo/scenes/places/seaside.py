"""The beach."""

from __future__ import annotations

from random import Random

from demo.scenes.lights import Light
from demo.scenes.palette import mix, rgb
from demo.scenes.pen import Pen
from demo.scenes.places.sky import gradient, ridge, sky


def beach(pen: Pen, width: float, lit: Light, random: Random, detail: bool) -> None:
    sky(pen, width, lit, random)
    sea = mix(rgb("2f9fc4"), lit.sky[1], 0.15)
    gradient(pen, (0, 0.2, width, 0.44), mix(sea, (1, 1, 1), 0.35), sea)
    for _ in range(8):
        x, y = random.uniform(0, width), random.uniform(0.31, 0.42)
        pen.stroke([(x, y), (x + random.uniform(0.06, 0.16), y)], (0.93, 0.98, 1.0), 0.006)
    ridge(pen, width, 0.24, 0.05, rgb("f3fbfd"), random)
    ridge(pen, width, 0.2, 0.06, rgb("f3d9a4"), random)
    gradient(pen, (0, 0, width, 0.19), rgb("eccb8c"), rgb("f3d9a4"))
    for _ in range(12):
        pen.dot(
            random.uniform(0, width), random.uniform(0.02, 0.17), random.uniform(0.003, 0.006), rgb("d3ac6c")
        )
    if detail:
        _palm(pen, width * random.choice((0.08, 0.92)), 0.16, random.uniform(0.56, 0.68))


def _palm(pen: Pen, x: float, base: float, height: float) -> None:
    bend = 0.06 if x < 0.5 else -0.06
    top = (x + bend, base + height)
    pen.line([(x, base), (x + bend * 0.35, base + height * 0.5), top], rgb("a9764a"), 0.035)
    for dx, dy in (
        (-0.2, 0.0),
        (-0.17, 0.09),
        (0.2, 0.0),
        (0.17, 0.09),
        (0.02, 0.13),
        (-0.12, -0.08),
        (0.12, -0.08),
    ):
        tip = (top[0] + dx, top[1] + dy)
        middle = (top[0] + dx * 0.55, top[1] + dy * 0.6 + 0.06)
        pen.blob([top, middle, tip, tip, (top[0] + dx * 0.5, top[1] + dy * 0.5)], rgb("3f9a58"))
