"""Toys and other things."""

from __future__ import annotations

import math

from demo.scenes.palette import Colour, dark, light, rgb
from demo.scenes.pen import Pen
from demo.scenes.subjects.animals import face


def ball(pen: Pen, colour: Colour) -> None:
    white = (0.98, 0.97, 0.94) if min(colour) < 0.85 else rgb("6fb6dd")
    pen.ellipse(0, 0.5, 0.5, 0.5, colour)
    pen.blob([(-0.5, 0.78), (0.0, 0.66), (0.5, 0.78), (0.6, 0.42), (0.0, 0.26), (-0.6, 0.42)], white)
    pen.ellipse(0, 0.5, 0.14, 0.14, colour)
    pen.ellipse(-0.2, 0.82, 0.1, 0.06, light(colour, 0.6))


def umbrella(pen: Pen, colour: Colour) -> None:
    pen.line([(0, 0.16), (0, 0.9)], rgb("7c5a44"), 0.035)
    pen.line([(0, 0.16), (0.02, 0.06), (0.1, 0.05), (0.13, 0.12)], rgb("7c5a44"), 0.035)
    pen.blob(
        [
            (-0.56, 0.5),
            (-0.5, 0.84),
            (-0.2, 1.0),
            (0.2, 1.0),
            (0.5, 0.84),
            (0.56, 0.5),
            (0.36, 0.56),
            (0.18, 0.48),
            (0, 0.56),
            (-0.18, 0.48),
            (-0.36, 0.56),
        ],
        colour,
    )
    pen.blob(
        [(-0.17, 0.5), (-0.14, 0.84), (0, 1.0), (0.14, 0.84), (0.17, 0.5), (0, 0.57)], light(colour, 0.35)
    )


def kite(pen: Pen, colour: Colour) -> None:
    pen.stroke([(0, 0.4), (-0.06, 0.28), (0.05, 0.16), (-0.03, 0.03)], rgb("5b5468"), 0.014)
    for x, y in ((-0.04, 0.27), (0.04, 0.15)):
        pen.poly(
            [(x - 0.08, y + 0.04), (x + 0.08, y - 0.04), (x + 0.08, y + 0.04), (x - 0.08, y - 0.04)],
            light(colour, 0.3),
        )
    pen.poly([(0, 0.36), (0.34, 0.74), (0, 1.0), (-0.34, 0.74)], colour)
    pen.poly([(0, 0.36), (0.34, 0.74), (0, 0.74)], light(colour, 0.45))
    pen.poly([(0, 0.74), (0, 1.0), (-0.34, 0.74)], dark(colour, 0.2))


def star(pen: Pen, colour: Colour) -> None:
    points = []
    for number in range(10):
        reach, angle = (0.54 if number % 2 == 0 else 0.27), math.pi / 2 + number * math.pi / 5
        points.append((reach * math.cos(angle), 0.5 + reach * math.sin(angle)))
    pen.poly(points, colour)
    face(pen, 0, 0.54, 0.11, 0.04)
