"""The mascots: a robot, a fox, an owl and a bear, upright, with large heads and one activity each.

Lengths are in units of the figure. A usual one is eighteen squares of the grid tall (layout.py): S is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from types import MappingProxyType

from demo.scenes.looks import Look
from demo.scenes.palette import INK, NAMED, Colour, dark, light, rgb
from demo.scenes.pen import Pen
from demo.scenes.subjects import things, vehicles
from demo.scenes.subjects.animals import CHEEK

ACTIVITIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "standing": ("standing", "smiling"),
        "waving": ("waving", "waving hello"),
        "sitting": ("sitting", "sitting down"),
        "reading": ("reading a book", "reading"),
        "umbrella": ("holding an umbrella", "with an umbrella"),
        "bicycle": ("riding a bicycle", "on a bicycle"),
    }
)
_SHARES = (2, 3, 2, 3, 3, 4)
"""How often they are drawn: what has many parts is learnt more slowly."""
S = 1 / 18
RIDER = 0.72
"""Size of one that rides, and of the bicycle."""
WHITE: Colour = (0.99, 0.97, 0.93)
BEAK, SCREEN, STEEL, PAPER = rgb("f7a72b"), rgb("27305c"), rgb("b4bdd1"), rgb("fffaf0")
Point = tuple[float, float]
_HANDS: Mapping[str, tuple[Point, Point]] = MappingProxyType(
    {
        "standing": ((-5.6 * S, 4 * S), (5.6 * S, 4 * S)),
        "waving": ((-5.6 * S, 4 * S), (9 * S, 13 * S)),
        "sitting": ((-5 * S, 3.6 * S), (5 * S, 3.6 * S)),
        "reading": ((-4 * S, 5 * S), (4 * S, 5 * S)),
        "umbrella": ((-5.6 * S, 4 * S), (7 * S, 6.5 * S)),
        "bicycle": ((-2 * S, 4 * S), (7 * S, 4.4 * S)),
    }
)
"""Left and right."""


def any_activity(random: Random) -> str:
    return random.choices(tuple(ACTIVITIES), _SHARES)[0]


def mascot(pen: Pen, look: Look, activity: str) -> None:
    if activity != "bicycle":
        with pen.frame(0, -S if activity == "sitting" else 0, 1):
            _figure(pen, look, activity)
        return
    bicycle = NAMED["red"] if "red" not in (look.colour, look.garment) else NAMED["blue"]
    with pen.frame(0, 0, RIDER):
        vehicles.bicycle(pen, bicycle)
    with pen.frame(-2.4 * S, 5 * S, RIDER):
        _figure(pen, look, activity)


def _figure(pen: Pen, look: Look, activity: str) -> None:
    draw, colour, garment = _DRAWN[look.kind.name], NAMED[look.colour], NAMED[look.garment]
    if activity == "umbrella":
        with pen.frame(7 * S, 4.2 * S, 0.9):
            things.umbrella(pen, NAMED["red"] if "red" not in (look.colour, look.garment) else NAMED["blue"])
    draw.behind(pen, colour)
    _legs(pen, draw, colour, activity)
    draw.body(pen, colour, garment)
    draw.head(pen, colour, garment)
    if activity == "reading":
        _book(pen, NAMED["blue"] if "blue" not in (look.colour, look.garment) else NAMED["red"])
    sleeve, paw = draw.arms(colour, garment)
    for side, hand in zip((-1, 1), _HANDS[activity], strict=True):
        shoulder = (side * 3.4 * S, 7.2 * S)
        elbow = (max(4.9 * S, 0.8 * abs(hand[0])) * side, (7.2 * S + hand[1]) / 2 - 0.4 * S)
        pen.line([shoulder, elbow, hand], sleeve, 1.7 * S)
        pen.ellipse(*hand, 1.1 * S, 1.1 * S, paw)


def _legs(pen: Pen, draw: Drawn, colour: Colour, activity: str) -> None:
    leg, foot = draw.legs(colour)
    for side in (-1, 1):
        if activity == "sitting":
            pen.line([(side * 2.2 * S, 3 * S), (side * 4 * S, 2 * S)], leg, 2 * S)
            pen.ellipse(side * 5 * S, 2.8 * S, 1.9 * S, 2 * S, foot)
            pen.ellipse(side * 5 * S, 2.6 * S, 1 * S, 1.1 * S, light(foot, 0.4))
        elif activity == "bicycle":
            if side == 1:
                pen.line([(1.6 * S, 3 * S), (4 * S, 1.6 * S), (3.2 * S, -2.2 * S)], leg, 1.8 * S)
                pen.ellipse(3.8 * S, -2.6 * S, 1.6 * S, 0.9 * S, foot)
        else:
            pen.line([(side * 1.9 * S, 3 * S), (side * 1.9 * S, 1.2 * S)], leg, 2 * S)
            pen.ellipse(side * 2.2 * S, 0.8 * S, 1.8 * S, 0.9 * S, foot)


def _book(pen: Pen, cover: Colour) -> None:
    for side in (-1, 1):
        pen.poly([(0, 3.4 * S), (side * 4.6 * S, 4.4 * S), (side * 4.6 * S, 8 * S), (0, 7 * S)], cover)
        pen.poly([(0, 4.1 * S), (side * 4 * S, 5 * S), (side * 4 * S, 8.4 * S), (0, 7.4 * S)], PAPER)
        for y in (5.4, 6.3):
            pen.stroke([(side * 0.8 * S, y * S), (side * 3.2 * S, (y + 0.6) * S)], rgb("a9a2b4"), 0.012)


def _face(pen: Pen, y: float, gap: float, eye: float = 0.85 * S) -> None:
    """Two large shining eyes and cheeks, `gap` from the middle to each eye."""
    for side in (-1, 1):
        pen.dot(side * gap, y, eye, INK)
        pen.dot(side * gap + 0.3 * eye, y + 0.35 * eye, 0.36 * eye, (1, 1, 1))
        pen.dot(side * gap * 1.75, y - 1.6 * S, 0.75 * S, CHEEK)


def _smile(pen: Pen, y: float, colour: Colour = INK) -> None:
    pen.stroke([(-0.9 * S, y), (-0.4 * S, y - 0.4 * S), (0.4 * S, y - 0.4 * S), (0.9 * S, y)], colour, 0.02)


def _nothing(pen: Pen, colour: Colour) -> None:
    return


def _robot_body(pen: Pen, colour: Colour, garment: Colour) -> None:
    pen.box(-1.2 * S, 7.5 * S, 1.2 * S, 9.5 * S, STEEL)
    pen.box(-4 * S, 2.5 * S, 4 * S, 8.4 * S, colour, 1.2 * S)
    pen.box(-2.2 * S, 4 * S, 2.2 * S, 6.8 * S, light(colour, 0.55), 0.6 * S)
    for x in (-1, 1):
        pen.dot(x * S, 5.4 * S, 0.6 * S, (rgb("f0655a"), BEAK)[x > 0])


def _robot_head(pen: Pen, colour: Colour, garment: Colour) -> None:
    pen.line([(0, 15 * S), (0, 17 * S)], STEEL, 0.6 * S)
    pen.ellipse(0, 17.2 * S, 1.15 * S, 1.15 * S, garment)
    for side in (-1, 1):
        pen.box(side * 5.5 * S - 0.9 * S, 10.5 * S, side * 5.5 * S + 0.9 * S, 13.5 * S, garment, 0.5 * S)
    pen.box(-5.4 * S, 8.6 * S, 5.4 * S, 15.6 * S, colour, 1.4 * S)
    pen.box(-4.3 * S, 9.6 * S, 4.3 * S, 14.5 * S, SCREEN, 1.1 * S)
    for side in (-1, 1):
        pen.dot(side * 2 * S, 12.6 * S, 0.95 * S, rgb("8ff0ff"))
    _smile(pen, 10.9 * S, rgb("8ff0ff"))


def _fox_tail(pen: Pen, colour: Colour) -> None:
    pen.blob(
        [
            (-2 * S, 1 * S),
            (-6 * S, 0.4 * S),
            (-9 * S, 4 * S),
            (-8.4 * S, 10 * S),
            (-5 * S, 8 * S),
            (-3 * S, 4 * S),
        ],
        colour,
    )
    pen.blob([(-8.3 * S, 6.4 * S), (-9 * S, 8 * S), (-7.8 * S, 10.4 * S), (-5.4 * S, 8 * S)], WHITE)


def _fox_body(pen: Pen, colour: Colour, garment: Colour) -> None:
    pen.blob(
        [
            (-4.4 * S, 2 * S),
            (4.4 * S, 2 * S),
            (3.8 * S, 7 * S),
            (2 * S, 9.6 * S),
            (-2 * S, 9.6 * S),
            (-3.8 * S, 7 * S),
        ],
        colour,
    )
    pen.ellipse(0, 5 * S, 1.9 * S, 2.6 * S, WHITE)


def _fox_head(pen: Pen, colour: Colour, garment: Colour) -> None:
    for side in (-1, 1):
        pen.poly([(side * 5.4 * S, 13 * S), (side * 4.6 * S, 18 * S), (side * 0.9 * S, 15 * S)], colour)
        pen.poly(
            [(side * 4.6 * S, 14.2 * S), (side * 4.2 * S, 16.6 * S), (side * 2.4 * S, 15.2 * S)],
            dark(colour, 0.55),
        )
    pen.blob(
        [(0, 8 * S), (4 * S, 8.6 * S), (7.4 * S, 11 * S), (5.4 * S, 15.4 * S), (0, 16 * S),
         (-5.4 * S, 15.4 * S), (-7.4 * S, 11 * S), (-4 * S, 8.6 * S)],
        colour,
    )  # fmt: skip
    for side in (-1, 1):
        pen.blob(
            [
                (0, 8.2 * S),
                (side * 4 * S, 8.8 * S),
                (side * 6.4 * S, 11.2 * S),
                (side * 2.6 * S, 11.4 * S),
                (0, 10.8 * S),
            ],
            WHITE,
        )
    _face(pen, 12.3 * S, 2.3 * S)
    pen.ellipse(0, 10.4 * S, 0.9 * S, 0.65 * S, INK)
    pen.box(1 * S, 3.8 * S, 3.2 * S, 8 * S, dark(garment, 0.12), 0.3 * S)
    pen.box(-4.2 * S, 7.2 * S, 4.2 * S, 9.2 * S, garment, 0.9 * S)


def _owl_body(pen: Pen, colour: Colour, garment: Colour) -> None:
    pen.blob(
        [
            (-4 * S, 0.8 * S),
            (4 * S, 0.8 * S),
            (6.4 * S, 6 * S),
            (4.6 * S, 11 * S),
            (-4.6 * S, 11 * S),
            (-6.4 * S, 6 * S),
        ],
        colour,
    )
    pen.ellipse(0, 5 * S, 3.4 * S, 3.6 * S, light(colour, 0.6))
    for x, y in ((-1.4, 6.4), (1.4, 6.4), (0, 5), (-1.4, 3.6), (1.4, 3.6)):
        pen.stroke(
            [((x - 0.7) * S, (y + 0.3) * S), (x * S, (y - 0.3) * S), ((x + 0.7) * S, (y + 0.3) * S)],
            dark(colour, 0.1),
            0.018,
        )


def _owl_head(pen: Pen, colour: Colour, garment: Colour) -> None:
    for side in (-1, 1):
        pen.poly(
            [(side * 5.4 * S, 12.5 * S), (side * 5.8 * S, 17.6 * S), (side * 1 * S, 15 * S)],
            dark(colour, 0.2),
        )
    pen.blob(
        [
            (-5 * S, 8.4 * S),
            (5 * S, 8.4 * S),
            (7.2 * S, 12 * S),
            (5 * S, 16.4 * S),
            (-5 * S, 16.4 * S),
            (-7.2 * S, 12 * S),
        ],
        colour,
    )
    for side in (-1, 1):
        pen.ellipse(side * 2.65 * S, 12.4 * S, 2.75 * S, 2.75 * S, garment)
        pen.ellipse(side * 2.65 * S, 12.4 * S, 2.05 * S, 2.05 * S, WHITE)
        pen.dot(side * 2.5 * S, 12.4 * S, 1.15 * S, INK)
        pen.dot(side * 2.5 * S + 0.4 * S, 12.8 * S, 0.4 * S, (1, 1, 1))
    pen.poly([(-1 * S, 11 * S), (1 * S, 11 * S), (0, 9 * S)], BEAK)


def _bear_body(pen: Pen, colour: Colour, garment: Colour) -> None:
    pen.ellipse(0, 5.4 * S, 5.2 * S, 4.2 * S, garment)
    pen.box(-4.6 * S, 2.4 * S, 4.6 * S, 3.8 * S, dark(garment, 0.18), 0.7 * S)


def _bear_head(pen: Pen, colour: Colour, garment: Colour) -> None:
    for side in (-1, 1):
        pen.ellipse(side * 4.6 * S, 15.6 * S, 2.1 * S, 2.1 * S, colour)
        pen.ellipse(side * 4.6 * S, 15.6 * S, 1.1 * S, 1.1 * S, CHEEK)
    pen.ellipse(0, 12.2 * S, 6 * S, 4.6 * S, colour)
    pen.ellipse(0, 10.6 * S, 2.7 * S, 2 * S, light(colour, 0.6))
    _face(pen, 13 * S, 2.6 * S)
    pen.ellipse(0, 11.4 * S, 1.1 * S, 0.75 * S, INK)
    _smile(pen, 10.2 * S)


Colours = tuple[Colour, Colour]


@dataclass(frozen=True)
class Drawn:
    behind: Callable[[Pen, Colour], None]
    body: Callable[[Pen, Colour, Colour], None]
    head: Callable[[Pen, Colour, Colour], None]
    legs: Callable[[Colour], Colours]
    """Of the body's colour: those of leg and foot."""
    arms: Callable[[Colour, Colour], Colours]
    """Of the body's colour and that of what it wears: those of arm and hand."""


_DRAWN: Mapping[str, Drawn] = MappingProxyType(
    {
        "robot": Drawn(
            _nothing, _robot_body, _robot_head, lambda c: (STEEL, dark(c, 0.35)), lambda c, g: (STEEL, c)
        ),
        "fox": Drawn(
            _fox_tail, _fox_body, _fox_head, lambda c: (c, dark(c, 0.6)), lambda c, g: (c, dark(c, 0.6))
        ),
        "owl": Drawn(
            _nothing, _owl_body, _owl_head, lambda c: (BEAK, BEAK), lambda c, g: (dark(c, 0.3), dark(c, 0.3))
        ),
        "bear": Drawn(
            _nothing, _bear_body, _bear_head, lambda c: (c, dark(c, 0.15)), lambda c, g: (dark(g, 0.14), c)
        ),
    }
)
