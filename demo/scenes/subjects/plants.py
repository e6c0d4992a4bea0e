"""Plants."""

from __future__ import annotations

import math

from demo.scenes.palette import INK, Colour, dark, light, rgb
from demo.scenes.pen import Pen
from demo.scenes.subjects.animals import face

LEAF = rgb("4fa257")


def tree(pen: Pen, colour: Colour) -> None:
    bark = rgb("8a5f3f")
    pen.poly([(-0.09, 0), (0.09, 0), (0.05, 0.5), (-0.05, 0.5)], bark)
    pen.line([(0, 0.3), (0.16, 0.48)], bark, 0.05)
    pen.ellipse(-0.2, 0.54, 0.21, 0.19, dark(colour, 0.16))
    pen.ellipse(0.2, 0.56, 0.21, 0.19, dark(colour, 0.16))
    pen.ellipse(0, 0.72, 0.3, 0.27, colour)
    pen.ellipse(-0.08, 0.8, 0.14, 0.11, light(colour, 0.2))


def flower(pen: Pen, colour: Colour) -> None:
    pen.line([(0, 0), (0.02, 0.3), (0, 0.62)], LEAF, 0.05)
    pen.blob([(0, 0.12), (0.14, 0.3), (0.32, 0.32), (0.22, 0.14)], LEAF)
    pen.blob([(0, 0.2), (-0.14, 0.38), (-0.32, 0.4), (-0.22, 0.2)], LEAF)
    for number in range(8):
        angle = number * math.pi / 4
        pen.ellipse(0.19 * math.cos(angle), 0.72 + 0.19 * math.sin(angle), 0.105, 0.105, colour)
    pen.ellipse(0, 0.72, 0.13, 0.13, rgb("f7b52b") if colour != rgb("f9cf2e") else rgb("8a5a34"))
    face(pen, 0, 0.75, 0.05, 0.018)


def cactus(pen: Pen, colour: Colour) -> None:
    pen.line([(-0.02, 0.36), (-0.24, 0.4), (-0.24, 0.62)], colour, 0.12)
    pen.line([(0.02, 0.46), (0.24, 0.5), (0.24, 0.72)], colour, 0.12)
    pen.box(-0.13, 0.14, 0.13, 0.92, colour, 0.13)
    for x in (-0.06, 0.0, 0.06):
        pen.stroke([(x, 0.3), (x, 0.84 - abs(x))], dark(colour, 0.2), 0.008)
    pen.ellipse(0, 0.94, 0.07, 0.055, rgb("f27fb2"))
    pen.poly([(-0.22, 0.22), (0.22, 0.22), (0.16, 0), (-0.16, 0)], rgb("cf7a4a"))
    face(pen, 0, 0.6, 0.055, 0.022)


def mushroom(pen: Pen, colour: Colour) -> None:
    pen.blob([(-0.2, 0), (0.2, 0), (0.14, 0.3), (0.16, 0.52), (-0.16, 0.52), (-0.14, 0.3)], rgb("fbeed8"))
    pen.blob([(-0.52, 0.4), (0.52, 0.4), (0.46, 0.8), (0.2, 1.02), (-0.2, 1.02), (-0.46, 0.8)], colour)
    spots = rgb("fff8ea") if min(colour) < 0.8 else rgb("f2a0a8")
    for x, y, r in ((-0.24, 0.62, 0.085), (0.02, 0.82, 0.095), (0.27, 0.64, 0.075), (0.03, 0.55, 0.05)):
        pen.ellipse(x, y, r, r * 0.9, spots)
    face(pen, 0, 0.28, 0.07, 0.026)
    pen.dot(0, 0.0, 0.001, INK)
