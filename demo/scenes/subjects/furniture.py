"""Furniture."""

from __future__ import annotations

from demo.scenes.palette import Colour, dark, light, rgb
from demo.scenes.pen import Pen

WOOD = rgb("9c6b47")


def chair(pen: Pen, colour: Colour) -> None:
    for x in (-0.25, 0.25):
        pen.line([(x, 0.03), (x, 0.42)], WOOD, 0.06)
    pen.box(-0.27, 0.4, 0.27, 1.0, dark(colour, 0.12), 0.1)
    pen.box(-0.18, 0.52, 0.18, 0.91, light(colour, 0.25), 0.07)
    pen.box(-0.32, 0.34, 0.32, 0.48, colour, 0.06)


def sofa(pen: Pen, colour: Colour) -> None:
    for x in (-0.66, 0.66):
        pen.line([(x, 0.03), (x, 0.16)], WOOD, 0.07)
    pen.box(-0.74, 0.2, 0.74, 1.0, dark(colour, 0.14), 0.16)
    for left in (-0.6, 0.02):
        pen.box(left, 0.42, left + 0.58, 0.9, light(colour, 0.16), 0.1)
    pen.box(-0.7, 0.12, 0.7, 0.48, colour, 0.1)
    for side in (-1, 1):
        low, high = sorted((side * 0.64, side * 0.86))
        pen.box(low, 0.12, high, 0.66, colour, 0.1)


def lamp(pen: Pen, colour: Colour) -> None:
    pen.ellipse(0, 0.035, 0.19, 0.04, rgb("5b5468"))
    pen.line([(0, 0.04), (0, 0.7)], rgb("5b5468"), 0.035)
    pen.glow(0, 0.72, 0.5, rgb("ffe59a"), 0.55)
    pen.poly([(-0.27, 0.64), (0.27, 0.64), (0.15, 1.0), (-0.15, 1.0)], colour)
    pen.ellipse(0, 0.64, 0.27, 0.035, rgb("fff1b8"))
