"""Food, drawn as large as an animal."""

from __future__ import annotations

from demo.scenes.palette import Colour, dark, light, rgb
from demo.scenes.pen import Pen
from demo.scenes.subjects.animals import face


def apple(pen: Pen, colour: Colour) -> None:
    pen.line([(0, 0.8), (0.04, 0.98)], rgb("7c5230"), 0.05)
    pen.blob([(0.03, 0.86), (0.14, 1.04), (0.36, 1.0), (0.26, 0.86)], rgb("5aad53"))
    pen.blob(
        [
            (0, 0.8),
            (0.3, 0.98),
            (0.54, 0.7),
            (0.44, 0.16),
            (0.16, -0.04),
            (0, 0.04),
            (-0.16, -0.04),
            (-0.44, 0.16),
            (-0.54, 0.7),
            (-0.3, 0.98),
        ],
        colour,
    )
    pen.ellipse(-0.24, 0.64, 0.08, 0.12, light(colour, 0.5))
    face(pen, 0, 0.42, 0.13, 0.04)


def cake(pen: Pen, colour: Colour) -> None:
    cream = rgb("fff4e2") if min(colour) < 0.85 else rgb("f5b8c8")
    pen.ellipse(0, 0.05, 0.54, 0.06, rgb("d9dbe6"))
    pen.box(-0.42, 0.06, 0.42, 0.42, colour, 0.05)
    pen.box(-0.42, 0.34, 0.42, 0.44, cream, 0.05)
    for x in (-0.3, -0.1, 0.12, 0.3):
        pen.ellipse(x, 0.33, 0.075, 0.08, cream)
    pen.box(-0.27, 0.42, 0.27, 0.68, light(colour, 0.2), 0.05)
    pen.box(-0.27, 0.61, 0.27, 0.7, cream, 0.04)
    for x in (-0.16, 0.0, 0.16):
        pen.box(x - 0.022, 0.68, x + 0.022, 0.86, rgb("7fc4e8"), 0.01)
        pen.ellipse(x, 0.91, 0.026, 0.045, rgb("ffb62e"))


def ice_cream(pen: Pen, colour: Colour) -> None:
    pen.poly([(-0.19, 0.5), (0.19, 0.5), (0, 0)], rgb("dea35c"))
    for x in (-0.09, 0.03):
        pen.stroke([(x, 0.49), (x + 0.07, 0.24)], rgb("b97d3c"), 0.012)
        pen.stroke([(-x, 0.49), (-x - 0.07, 0.24)], rgb("b97d3c"), 0.012)
    pen.ellipse(0, 0.6, 0.24, 0.19, dark(colour, 0.1))
    pen.ellipse(0, 0.8, 0.19, 0.17, colour)
    pen.ellipse(-0.06, 0.86, 0.05, 0.035, light(colour, 0.6))
    pen.ellipse(0.04, 0.98, 0.05, 0.05, rgb("e23b55"))


def cup(pen: Pen, colour: Colour) -> None:
    pen.ellipse(0, 0.06, 0.5, 0.06, light(colour, 0.5))
    pen.line([(0.34, 0.6), (0.54, 0.56), (0.52, 0.34), (0.32, 0.28)], colour, 0.085)
    pen.blob([(-0.42, 0.74), (0.42, 0.74), (0.4, 0.2), (0.2, 0.04), (-0.2, 0.04), (-0.4, 0.2)], colour)
    pen.ellipse(0, 0.68, 0.37, 0.07, light(colour, 0.35))
    pen.ellipse(0, 0.675, 0.31, 0.05, rgb("8a5636"))
    for x in (-0.12, 0.1):
        pen.stroke([(x, 0.78), (x + 0.05, 0.86), (x - 0.01, 0.93), (x + 0.03, 1.0)], (1, 1, 1), 0.03)
    face(pen, 0, 0.42, 0.12, 0.036)
