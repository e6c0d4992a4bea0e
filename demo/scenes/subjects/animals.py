"""Animals, sitting and facing the viewer, or seen from the side."""

from __future__ import annotations

from demo.scenes.palette import INK, Colour, dark, light, rgb
from demo.scenes.pen import Pen

CHEEK = rgb("f59aa2")


def face(pen: Pen, x: float, y: float, gap: float, eye: float = 0.032) -> None:
    """Two shining eyes, a smile and cheeks, `gap` from the middle to each eye."""
    for side in (-1, 1):
        pen.dot(x + side * gap, y, eye, INK)
        pen.dot(x + side * gap + eye * 0.35, y + eye * 0.35, eye * 0.36, (1, 1, 1))
        pen.dot(x + side * gap * 1.6, y - eye * 2.2, eye * 0.9, CHEEK)
    pen.stroke([(x - 0.04, y - 0.085), (x, y - 0.105), (x + 0.04, y - 0.085)], INK, 0.014)


def cat(pen: Pen, colour: Colour) -> None:
    """From the side, looking out of the picture, its tail up."""
    pale, deep = light(colour, 0.45), dark(colour, 0.2)
    pen.line([(-0.42, 0.46), (-0.62, 0.6), (-0.6, 0.84), (-0.46, 0.94)], colour, 0.1)
    for x in (-0.28, 0.2):
        pen.line([(x, 0.36), (x, 0.06)], deep, 0.12)
    pen.blob([(-0.56, 0.26), (0.36, 0.26), (0.4, 0.66), (-0.1, 0.62), (-0.56, 0.68)], colour)
    for x in (-0.4, 0.32):
        pen.line([(x, 0.4), (x, 0.06)], colour, 0.13)
        pen.ellipse(x + 0.03, 0.045, 0.09, 0.045, pale)
    for side in (-1, 1):
        pen.poly([(0.36 + side * 0.25, 0.7), (0.36 + side * 0.25, 1.0), (0.36 + side * 0.04, 0.88)], colour)
        pen.poly([(0.36 + side * 0.21, 0.8), (0.36 + side * 0.21, 0.93), (0.36 + side * 0.12, 0.87)], CHEEK)
    pen.ellipse(0.36, 0.68, 0.28, 0.22, colour)
    pen.ellipse(0.36, 0.6, 0.12, 0.085, pale)
    face(pen, 0.36, 0.7, 0.12, 0.04)
    pen.dot(0.36, 0.635, 0.022, CHEEK)
    for side in (-1, 1):
        for lift in (-0.02, 0.02):
            pen.stroke(
                [(0.36 + side * 0.16, 0.61 + lift * 0.4), (0.36 + side * 0.35, 0.6 + 2 * lift)], INK, 0.01
            )


def dog(pen: Pen, colour: Colour) -> None:
    """From the side, with a long muzzle, a hanging ear and a collar."""
    pale, deep = light(colour, 0.5), dark(colour, 0.35)
    pen.line([(-0.5, 0.54), (-0.7, 0.68), (-0.76, 0.86)], colour, 0.09)
    for x in (-0.34, 0.16):
        pen.line([(x, 0.36), (x, 0.06)], deep, 0.13)
    pen.blob([(-0.64, 0.28), (0.34, 0.24), (0.46, 0.74), (-0.1, 0.6), (-0.64, 0.68)], colour)
    for x in (-0.48, 0.3):
        pen.line([(x, 0.4), (x, 0.06)], colour, 0.14)
        pen.ellipse(x + 0.05, 0.05, 0.11, 0.05, pale)
    pen.line([(0.16, 0.56), (0.44, 0.52)], rgb("e23b3b"), 0.08)
    pen.ellipse(0.58, 0.66, 0.24, 0.13, pale)
    pen.ellipse(0.36, 0.78, 0.26, 0.22, colour)
    pen.blob([(0.2, 1.0), (0.34, 0.96), (0.32, 0.56), (0.14, 0.5), (0.04, 0.7)], deep)
    pen.ellipse(0.77, 0.72, 0.07, 0.055, INK)
    pen.dot(0.47, 0.82, 0.045, INK)
    pen.dot(0.485, 0.836, 0.016, (1, 1, 1))
    pen.stroke([(0.5, 0.6), (0.6, 0.575), (0.7, 0.61)], INK, 0.014)
    pen.dot(0.48, 0.69, 0.036, CHEEK)


def rabbit(pen: Pen, colour: Colour) -> None:
    pale = light(colour, 0.45)
    pen.ellipse(0.25, 0.12, 0.08, 0.08, pale)
    pen.ellipse(0, 0.24, 0.25, 0.25, colour)
    pen.ellipse(0, 0.2, 0.14, 0.17, pale)
    for side in (-1, 1):
        pen.ellipse(side * 0.14, 0.05, 0.1, 0.055, pale)
        pen.ellipse(side * 0.11, 0.8, 0.075, 0.2, colour)
        pen.ellipse(side * 0.11, 0.8, 0.035, 0.14, CHEEK)
    pen.ellipse(0, 0.54, 0.23, 0.2, colour)
    face(pen, 0, 0.56, 0.11, 0.034)
    pen.dot(0, 0.505, 0.02, CHEEK)


def bear(pen: Pen, colour: Colour) -> None:
    pale = light(colour, 0.45)
    for side in (-1, 1):
        pen.ellipse(side * 0.23, 0.92, 0.1, 0.1, colour)
        pen.ellipse(side * 0.23, 0.92, 0.055, 0.055, CHEEK)
        pen.ellipse(side * 0.34, 0.36, 0.1, 0.16, colour)
    pen.ellipse(0, 0.3, 0.33, 0.31, colour)
    pen.ellipse(0, 0.27, 0.2, 0.21, pale)
    for side in (-1, 1):
        pen.ellipse(side * 0.19, 0.07, 0.13, 0.09, colour)
    pen.ellipse(0, 0.75, 0.3, 0.25, colour)
    pen.ellipse(0, 0.66, 0.13, 0.1, pale)
    face(pen, 0, 0.78, 0.13, 0.036)
    pen.ellipse(0, 0.71, 0.045, 0.032, INK)


def bird(pen: Pen, colour: Colour) -> None:
    """In flight, towards the viewer, its wings spread."""
    pale, deep = light(colour, 0.5), dark(colour, 0.22)
    pen.poly([(-0.14, 0.2), (0.14, 0.2), (0.24, -0.02), (0, 0.05), (-0.24, -0.02)], deep)
    for side in (-1, 1):
        pen.blob(
            [
                (side * 0.1, 0.36),
                (side * 0.12, 0.62),
                (side * 0.5, 0.94),
                (side * 1.0, 1.0),
                (side * 0.86, 0.66),
                (side * 0.5, 0.4),
            ],
            deep,
        )
        pen.line([(side * 0.26, 0.56), (side * 0.52, 0.78), (side * 0.74, 0.84)], colour, 0.12)
    pen.ellipse(0, 0.4, 0.23, 0.3, colour)
    pen.ellipse(0, 0.3, 0.15, 0.19, pale)
    pen.ellipse(0, 0.74, 0.22, 0.21, colour)
    for side in (-1, 1):
        pen.dot(side * 0.1, 0.79, 0.04, INK)
        pen.dot(side * 0.1 + 0.014, 0.805, 0.014, (1, 1, 1))
    pen.poly([(-0.09, 0.74), (0.09, 0.74), (0, 0.58)], rgb("f7a72b"))


def owl(pen: Pen, colour: Colour) -> None:
    pale, deep = light(colour, 0.5), dark(colour, 0.2)
    for side in (-1, 1):
        pen.poly([(side * 0.3, 0.7), (side * 0.3, 1.0), (side * 0.06, 0.84)], deep)
    pen.blob([(-0.3, 0), (0.3, 0), (0.38, 0.5), (0.3, 0.92), (-0.3, 0.92), (-0.38, 0.5)], colour)
    pen.ellipse(0, 0.27, 0.19, 0.24, pale)
    for side in (-1, 1):
        pen.blob([(side * 0.34, 0.62), (side * 0.4, 0.3), (side * 0.26, 0.05), (side * 0.2, 0.4)], deep)
        pen.ellipse(side * 0.13, 0.69, 0.14, 0.14, (1.0, 0.98, 0.92))
        pen.dot(side * 0.12, 0.69, 0.07, INK)
        pen.dot(side * 0.12 + 0.024, 0.715, 0.024, (1, 1, 1))
        pen.ellipse(side * 0.1, 0.02, 0.07, 0.035, rgb("f7a72b"))
    pen.poly([(-0.055, 0.62), (0.055, 0.62), (0, 0.5)], rgb("f7a72b"))


def penguin(pen: Pen, colour: Colour) -> None:
    for side in (-1, 1):
        pen.ellipse(side * 0.13, 0.04, 0.12, 0.05, rgb("f7a72b"))
        pen.blob([(side * 0.26, 0.66), (side * 0.46, 0.34), (side * 0.38, 0.22), (side * 0.24, 0.4)], colour)
    pen.blob([(-0.3, 0.02), (0.3, 0.02), (0.34, 0.5), (0.26, 0.98), (-0.26, 0.98), (-0.34, 0.5)], colour)
    pen.ellipse(0, 0.33, 0.22, 0.29, (0.98, 0.98, 0.96))
    for side in (-1, 1):
        pen.ellipse(side * 0.1, 0.71, 0.13, 0.14, (0.98, 0.98, 0.96))
    face(pen, 0, 0.74, 0.1, 0.036)
    pen.poly([(-0.07, 0.68), (0.07, 0.68), (0, 0.59)], rgb("f7a72b"))


def turtle(pen: Pen, colour: Colour) -> None:
    skin, deep = rgb("a9cf7a"), dark(colour, 0.25)
    for x in (-0.42, 0.3):
        pen.blob([(x - 0.1, 0), (x + 0.14, 0), (x + 0.14, 0.3), (x - 0.1, 0.3)], skin)
    pen.blob(
        [
            (0.36, 0.2),
            (0.6, 0.3),
            (0.5, 0.56),
            (0.6, 0.88),
            (0.84, 0.86),
            (0.86, 0.56),
            (0.7, 0.3),
            (0.5, 0.14),
        ],
        skin,
    )
    pen.poly([(-0.62, 0.2), (-0.78, 0.14), (-0.6, 0.3)], skin)
    pen.blob([(-0.7, 0.16), (0.52, 0.16), (0.5, 0.5), (0.26, 0.92), (-0.4, 0.92), (-0.66, 0.5)], colour)
    for x, y, r in ((-0.36, 0.46, 0.13), (-0.06, 0.6, 0.14), (0.22, 0.44, 0.13), (-0.1, 0.32, 0.1)):
        pen.ellipse(x, y, r, r * 0.85, deep)
    pen.dot(0.7, 0.7, 0.045, INK)
    pen.dot(0.715, 0.715, 0.016, (1, 1, 1))
    pen.stroke([(0.7, 0.55), (0.76, 0.53), (0.81, 0.56)], INK, 0.018)


def fish(pen: Pen, colour: Colour) -> None:
    pale, deep = light(colour, 0.5), dark(colour, 0.2)
    pen.blob([(-0.34, 0.5), (-0.7, 0.86), (-0.66, 0.5), (-0.7, 0.14)], deep)
    pen.blob([(-0.2, 0.78), (0.0, 1.02), (0.26, 0.8)], deep)
    pen.blob([(-0.46, 0.5), (-0.16, 0.86), (0.36, 0.88), (0.66, 0.5), (0.36, 0.12), (-0.16, 0.14)], colour)
    pen.ellipse(0.16, 0.34, 0.28, 0.14, pale)
    for x in (-0.18, 0.0):
        pen.stroke([(x, 0.7), (x + 0.06, 0.5), (x, 0.3)], deep, 0.03)
    pen.ellipse(0.36, 0.6, 0.085, 0.085, (1, 1, 1))
    pen.dot(0.38, 0.6, 0.048, INK)
    pen.stroke([(0.48, 0.4), (0.53, 0.37), (0.57, 0.41)], INK, 0.02)
