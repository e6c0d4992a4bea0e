"""Buildings."""

from __future__ import annotations

from demo.scenes.palette import Colour, dark, light, rgb
from demo.scenes.pen import Pen

PANE, WOOD = rgb("ffe9a3"), rgb("9c6b47")


def house(pen: Pen, colour: Colour) -> None:
    roof = rgb("a8503f") if max(colour) - colour[0] > 0.05 or min(colour) > 0.7 else rgb("4f6d9a")
    pen.box(0.2, 0.66, 0.31, 0.98, rgb("b77a5f"))
    pen.box(-0.44, 0.0, 0.44, 0.58, colour)
    pen.poly([(-0.56, 0.55), (0, 1.0), (0.56, 0.55)], roof)
    pen.box(-0.11, 0.0, 0.11, 0.34, WOOD, 0.03)
    pen.dot(0.07, 0.16, 0.016, PANE)
    for side in (-1, 1):
        x = side * 0.28
        pen.box(x - 0.095, 0.23, x + 0.095, 0.45, rgb("fffaf0"), 0.015)
        pen.box(x - 0.07, 0.255, x + 0.07, 0.425, PANE)
        pen.stroke([(x, 0.26), (x, 0.42)], rgb("fffaf0"), 0.018)
    pen.ellipse(0, 0.7, 0.085, 0.085, PANE)


def castle(pen: Pen, colour: Colour) -> None:
    roof, deep = rgb("d9534f") if colour[0] < 0.75 or min(colour) > 0.6 else rgb("5566b8"), dark(colour, 0.14)
    pen.box(-0.3, 0.0, 0.3, 0.56, colour)
    for number in range(4):
        pen.box(-0.3 + 0.17 * number, 0.54, -0.21 + 0.17 * number, 0.63, colour)
    for x, wide, tall in ((-0.4, 0.12, 0.68), (0.4, 0.12, 0.68), (0.0, 0.11, 0.8)):
        pen.box(x - wide, 0.0 if x else 0.5, x + wide, tall, deep if x else colour)
        pen.poly([(x - wide - 0.04, tall), (x, tall + 0.26), (x + wide + 0.04, tall)], roof)
        pen.box(x - 0.035, tall - 0.2, x + 0.035, tall - 0.07, PANE, 0.035)
    pen.blob([(-0.15, -0.05), (0.15, -0.05), (0.14, 0.3), (0, 0.42), (-0.14, 0.3)], WOOD)
    pen.poly([(0, 1.05), (0.16, 1.01), (0, 0.96)], rgb("f9cf2e"))


def lighthouse(pen: Pen, colour: Colour) -> None:
    white = (0.98, 0.97, 0.94) if min(colour) < 0.85 else rgb("d9534f")
    pen.poly([(-0.19, 0), (0.19, 0), (0.11, 0.74), (-0.11, 0.74)], white)
    for low, high in ((0.0, 0.15), (0.3, 0.45), (0.6, 0.74)):
        a, b = 0.19 - 0.108 * low, 0.19 - 0.108 * high
        pen.poly([(-a, low), (a, low), (b, high), (-b, high)], colour)
    pen.box(-0.16, 0.73, 0.16, 0.77, rgb("565a70"))
    pen.box(-0.085, 0.77, 0.085, 0.89, rgb("fff1a8"))
    pen.poly([(-0.13, 0.88), (0, 1.02), (0.13, 0.88)], colour)
    pen.glow(0, 0.83, 0.24, rgb("fff1a8"), 0.65)
    pen.box(-0.05, 0.0, 0.05, 0.14, WOOD, 0.02)


def tent(pen: Pen, colour: Colour) -> None:
    pen.poly([(-0.66, 0), (0, 1.0), (0.66, 0)], colour)
    pen.poly([(0.66, 0), (0, 1.0), (0.3, 0)], dark(colour, 0.2))
    pen.poly([(-0.24, 0), (0, 0.72), (0.24, 0)], rgb("4b3a3a"))
    pen.poly([(-0.24, 0), (0, 0.72), (-0.07, 0)], light(colour, 0.45))
    pen.stroke([(0, 0.97), (0, 1.06)], WOOD, 0.03)
