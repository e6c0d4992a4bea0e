"""Vehicles, seen from the side."""

from __future__ import annotations

from demo.scenes.palette import INK, Colour, dark, light, rgb
from demo.scenes.pen import Pen

GLASS, TYRE, STEEL = rgb("bfe6f5"), rgb("3a3846"), rgb("d8dbe3")


def wheel(pen: Pen, x: float, r: float) -> None:
    pen.ellipse(x, r, r, r, TYRE)
    pen.ellipse(x, r, r * 0.5, r * 0.5, STEEL)


def car(pen: Pen, colour: Colour) -> None:
    pen.blob([(-0.66, 0.5), (-0.56, 1.02), (0.36, 1.02), (0.66, 0.5)], colour)
    pen.poly([(-0.46, 0.58), (-0.38, 0.86), (-0.07, 0.86), (-0.07, 0.58)], GLASS)
    pen.poly([(0.0, 0.58), (0.0, 0.86), (0.22, 0.86), (0.44, 0.58)], GLASS)
    pen.box(-0.98, 0.18, 0.98, 0.62, colour, 0.16)
    pen.box(-0.98, 0.18, 0.98, 0.3, dark(colour, 0.22), 0.06)
    pen.ellipse(0.9, 0.46, 0.065, 0.075, rgb("fff1a8"))
    pen.ellipse(-0.93, 0.46, 0.045, 0.065, rgb("f0655a"))
    pen.stroke([(-0.04, 0.54), (0.06, 0.54)], dark(colour, 0.4), 0.025)
    wheel(pen, -0.56, 0.22)
    wheel(pen, 0.56, 0.22)


def bus(pen: Pen, colour: Colour) -> None:
    pen.box(-0.9, 0.14, 0.9, 0.98, colour, 0.12)
    pen.box(-0.9, 0.3, 0.9, 0.4, light(colour, 0.6))
    for number in range(4):
        left = -0.8 + 0.33 * number
        pen.box(left, 0.54, left + 0.26, 0.84, GLASS, 0.03)
    pen.box(0.54, 0.2, 0.78, 0.84, light(GLASS, 0.3), 0.03)
    pen.stroke([(0.66, 0.22), (0.66, 0.82)], dark(colour, 0.3), 0.02)
    pen.ellipse(0.85, 0.25, 0.04, 0.045, rgb("fff1a8"))
    wheel(pen, -0.52, 0.17)
    wheel(pen, 0.4, 0.17)


def boat(pen: Pen, colour: Colour) -> None:
    pen.box(-0.025, 0.26, 0.025, 1.0, rgb("8a6242"))
    pen.blob([(0.03, 0.32), (0.04, 0.96), (0.14, 0.9), (0.56, 0.36), (0.4, 0.3)], rgb("fffaf0"))
    pen.poly([(-0.04, 0.36), (-0.04, 0.86), (-0.38, 0.36)], light(colour, 0.35))
    pen.poly([(0.02, 0.98), (0.24, 0.94), (0.02, 0.88)], rgb("e8604c"))
    pen.blob([(-0.54, 0.3), (0.56, 0.3), (0.5, 0.04), (0.3, 0.0), (-0.32, 0.0), (-0.46, 0.06)], colour)
    pen.stroke([(-0.42, 0.2), (0.44, 0.2)], (1, 1, 1), 0.03)


def bicycle(pen: Pen, colour: Colour) -> None:
    for x in (-0.46, 0.46):
        pen.path(_ring(x, 0.3, 0.29, 0.22), TYRE)
        pen.dot(x, 0.3, 0.05, STEEL)
        for dx, dy in ((0.21, 0), (0, 0.21), (0.15, 0.15), (-0.15, 0.15)):
            pen.stroke([(x - dx, 0.3 - dy), (x + dx, 0.3 + dy)], STEEL, 0.012)
    pen.line([(-0.46, 0.3), (-0.18, 0.74), (0.32, 0.74), (-0.02, 0.3), (-0.46, 0.3)], colour, 0.055)
    pen.line([(-0.02, 0.3), (-0.22, 0.86)], colour, 0.055)
    pen.line([(0.46, 0.3), (0.28, 0.94), (0.42, 0.99)], colour, 0.055)
    pen.box(-0.36, 0.84, -0.1, 0.92, rgb("5b3f2f"), 0.04)
    pen.line([(0.3, 0.96), (0.2, 1.0)], INK, 0.05)


def _ring(x: float, y: float, outer: float, inner: float) -> object:
    import skia

    ring = skia.Path.Circle(x, y, outer)
    return skia.Op(ring, skia.Path.Circle(x, y, inner), skia.kDifference_PathOp)


def balloon(pen: Pen, colour: Colour) -> None:
    for x in (-0.09, 0.09):
        pen.stroke([(x * 1.9, 0.36), (x, 0.18)], rgb("6b4a34"), 0.014)
    pen.blob(
        [
            (-0.1, 0.3),
            (0.1, 0.3),
            (0.4, 0.5),
            (0.4, 0.86),
            (0.2, 1.04),
            (-0.2, 1.04),
            (-0.4, 0.86),
            (-0.4, 0.5),
        ],
        colour,
    )
    pen.blob(
        [(-0.05, 0.31), (0.05, 0.31), (0.15, 0.6), (0.1, 1.01), (-0.1, 1.01), (-0.15, 0.6)],
        light(colour, 0.55),
    )
    pen.box(-0.12, 0.0, 0.12, 0.19, rgb("b07a48"), 0.03)
    pen.stroke([(-0.1, 0.1), (0.1, 0.1)], rgb("7c5230"), 0.016)


def rocket(pen: Pen, colour: Colour) -> None:
    pen.blob([(-0.1, 0.2), (0.1, 0.2), (0.12, 0.08), (0, -0.03), (-0.12, 0.08)], rgb("f9a72b"))
    pen.blob([(-0.05, 0.2), (0.05, 0.2), (0.05, 0.12), (0, 0.05), (-0.05, 0.12)], rgb("fff0a0"))
    for side in (-1, 1):
        pen.poly(
            [(side * 0.15, 0.44), (side * 0.29, 0.24), (side * 0.27, 0.12), (side * 0.12, 0.22)],
            dark(colour, 0.3),
        )
    pen.blob(
        [(-0.17, 0.16), (0.17, 0.16), (0.23, 0.5), (0.16, 0.84), (0, 1.06), (-0.16, 0.84), (-0.23, 0.5)],
        colour,
    )
    pen.blob([(-0.13, 0.8), (0.13, 0.8), (0.07, 0.96), (0, 1.02), (-0.07, 0.96)], light(colour, 0.55))
    pen.ellipse(0, 0.6, 0.105, 0.105, STEEL)
    pen.ellipse(0, 0.6, 0.075, 0.075, GLASS)
