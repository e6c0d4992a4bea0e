"""The sky, clouds, hills and other parts that settings share."""

from __future__ import annotations

import math
from itertools import pairwise
from random import Random

import skia

from demo.scenes.lights import Light
from demo.scenes.palette import CREAM, NIGHT, Colour, light, mix
from demo.scenes.pen import Pen
from demo.scenes.styles import Fill


def sky(pen: Pen, width: float, lit: Light, random: Random) -> None:
    """Sun, stars and clouds have randoms of their own: without one of them, all else stays as it is."""
    seed = random.random()
    gradient(pen, (0.0, 0.2, width, 1.0), lit.sky[1], lit.sky[0])
    random = Random(seed)
    if lit.night:
        for _ in range(26):
            x, y = random.uniform(0, width), random.uniform(0.45, 0.99)
            pen.dot(x, y, random.uniform(0.002, 0.005), (1.0, 1.0, 0.9))
    if lit.sun is not None:
        x, y = _sun(width, seed)
        if pen.style.lit:
            pen.glow(x, y, 0.34, lit.sun, 0.7)
        pen.ellipse(x, y, 0.075, 0.075, lit.sun)
    random = Random(seed)
    for _ in range(random.choice((2, 3)) if lit.clouds else 0):
        cloud(
            pen,
            random.uniform(0.05, 0.95) * width,
            random.uniform(0.68, 0.92),
            random.uniform(0.1, 0.16),
            lit,
        )


def shine(pen: Pen, width: float, lit: Light, random: Random) -> None:
    """What sun or moon sheds over all that was drawn; `random` as it was given to `sky`."""
    if lit.sun is not None:
        x, y = _sun(width, random.random())
        pen.glow(x, y, 0.75, lit.sun, 0.3)
        pen.glow(x, y, 0.13, light(lit.sun, 0.5), 0.8)


def depth(pen: Pen, width: float, lit: Light) -> None:
    """Mist over what is far away."""
    pen.haze((0.0, 0.27, width, 0.66), mix(lit.sky[1], (1.0, 1.0, 1.0), 0.0 if lit.night else 0.3), 0.35)


def _sun(width: float, seed: float) -> tuple[float, float]:
    random = Random(seed)
    return width * random.choice((0.16, 0.84)), random.uniform(0.8, 0.87)


def cloud(pen: Pen, x: float, y: float, size: float, lit: Light) -> None:
    colour = mix(lit.sky[1], (1.0, 1.0, 1.0), 0.25 if lit.night else 0.75)
    path = skia.Path()
    for dx, dy, r in ((-0.75, 0, 0.38), (-0.25, 0.18, 0.55), (0.35, 0.1, 0.48), (0.8, -0.02, 0.32)):
        oval = skia.Path.Circle(x + dx * size, y + dy * size, r * size)
        path = skia.Op(path, oval, skia.kUnion_PathOp) or path
    pen.path(path, colour)


def gradient(pen: Pen, box: tuple[float, float, float, float], low: Colour, high: Colour) -> None:
    """A background area without an outline: its colours follow the style, its edge does not."""
    if pen.style.fill is Fill.TUBE:
        low, high = mix(NIGHT, low, 0.10), mix(NIGHT, high, 0.06)
    elif pen.style.fill is Fill.TINT:
        low, high = mix(CREAM, low, 0.22), mix(CREAM, high, 0.22)
    elif pen.style.fill is Fill.WASH:
        low, high = light(low, 0.3), light(high, 0.15)
    shader = skia.GradientShader.MakeLinear(
        [skia.Point(0, box[1]), skia.Point(0, box[3])],
        [skia.Color4f(*low).toColor(), skia.Color4f(*high).toColor()],
    )
    pen.canvas.drawRect(skia.Rect.MakeLTRB(*box), skia.Paint(Shader=shader))


def ridge(pen: Pen, width: float, base: float, height: float, colour: Colour, random: Random) -> None:
    """A smooth hill line from edge to edge."""
    phase, waves = random.uniform(0, 6.3), random.uniform(0.7, 1.2)
    points = [(-0.1, -0.1)]
    for step in range(15):
        x = -0.1 + (width + 0.2) * step / 14
        wave = math.sin(phase + waves * 3.1 * x) + 0.4 * math.sin(2.1 * phase + waves * 6.7 * x)
        points.append((x, base + height * (0.5 + 0.36 * wave)))
    points.append((width + 0.1, -0.1))
    path = skia.Path()
    path.moveTo(*points[0])
    path.lineTo(*points[1])
    for corner, follower in pairwise(points[1:]):
        path.quadTo(*corner, (corner[0] + follower[0]) / 2, (corner[1] + follower[1]) / 2)
    path.lineTo(*points[-1])
    path.close()
    pen.path(path, colour)


def peak(pen: Pen, x: float, base: float, height: float, spread: float, colour: Colour, snowy: bool) -> None:
    """A mountain, with a snow cap or without."""
    top = base + height
    pen.poly([(x - spread, base), (x, top), (x + spread, base)], colour)
    cut, half = top - 0.28 * height, 0.28 * spread
    cap = [
        (x, top),
        (x + half, cut),
        (x + half * 0.4, cut + 0.05 * height),
        (x, cut - 0.04 * height),
        (x - half * 0.45, cut + 0.05 * height),
        (x - half, cut),
    ]
    if snowy:
        pen.poly(cap, (0.97, 0.98, 1.0))
    pen.poly([(x, top), (x + spread, base), (x + spread * 0.15, base)], mix(colour, (0.1, 0.1, 0.3), 0.14))


def fir(pen: Pen, x: float, base: float, height: float, colour: Colour) -> None:
    pen.box(x - 0.03 * height, base, x + 0.03 * height, base + 0.2 * height, (0.42, 0.28, 0.2))
    for low, high, half in ((0.14, 0.58, 0.26), (0.4, 0.8, 0.2), (0.62, 1.0, 0.14)):
        pen.poly(
            [
                (x - half * height, base + low * height),
                (x, base + high * height),
                (x + half * height, base + low * height),
            ],
            colour,
        )
