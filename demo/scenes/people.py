"""People as simple cartoon figures: large heads, round hands, one activity each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from demo.scenes.looks import HAIR_COLOURS, Look
from demo.scenes.palette import INK, NAMED, Colour, dark, light, rgb
from demo.scenes.pen import Pen
from demo.scenes.subjects import food, things
from demo.scenes.subjects.animals import face

ACTIVITIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "standing": ("standing", "smiling"),
        "waving": ("waving", "waving hello"),
        "reading": ("reading a book",),
        "sitting": ("sitting",),
        "umbrella": ("holding an umbrella", "under an umbrella"),
        "balloon": ("holding a balloon",),
        "tea": ("drinking tea", "holding a cup of tea"),
        "jumping": ("jumping",),
        "ball": ("playing with a ball",),
        "guitar": ("playing the guitar",),
    }
)
SHOE = rgb("5b4250")
LIFT = 1 / 9
"""Two squares of the usual figure's eighteen; see layout.py."""
Hands = tuple[tuple[float, float], tuple[float, float]]
_HANDS: Mapping[str, Hands] = MappingProxyType(
    {
        "standing": ((-0.25, 0.24), (0.25, 0.24)),
        "waving": ((-0.25, 0.24), (0.36, 0.66)),
        "reading": ((-0.12, 0.31), (0.12, 0.31)),
        "sitting": ((-0.2, 0.2), (0.2, 0.2)),
        "umbrella": ((-0.25, 0.24), (0.27, 0.4)),
        "balloon": ((-0.25, 0.24), (0.3, 0.52)),
        "tea": ((-0.25, 0.24), (0.13, 0.34)),
        "jumping": ((-0.36, 0.64), (0.36, 0.64)),
        "ball": ((-0.16, 0.26), (0.16, 0.26)),
        "guitar": ((-0.26, 0.4), (0.12, 0.26)),
    }
)


def person(pen: Pen, look: Look, activity: str) -> None:
    sit = activity == "sitting"
    lift = LIFT if activity == "jumping" else (-LIFT if sit else 0.0)
    cloth = NAMED[look.colour]
    _hair_behind(pen, look, lift)
    _legs(pen, look, cloth, sit, lift)
    _body(pen, look, cloth, lift)
    _MARK[look.mark](pen, lift)
    if activity == "umbrella":
        with pen.frame(0.27, 0.3 + lift, 0.85):
            things.umbrella(pen, NAMED["blue"] if look.colour != "blue" else NAMED["red"])
    _head(pen, look, lift)
    _hold(pen, look, activity, lift)
    for side, hand in zip((-1, 1), _HANDS[activity], strict=True):
        elbow = (side * 0.24, 0.36 + lift)
        pen.line([(side * 0.13, 0.44 + lift), elbow, (hand[0], hand[1] + lift)], dark(cloth, 0.1), 0.085)
        pen.ellipse(hand[0], hand[1] + lift, 0.045, 0.045, look.skin)
    _hold_in_front(pen, look, activity, lift)


def _legs(pen: Pen, look: Look, cloth: Colour, sit: bool, lift: float) -> None:
    trousers = rgb("46557f") if look.colour not in ("blue", "black") else rgb("b99f7a")
    colour = look.skin if look.clothes == "dress" else trousers
    for side in (-1, 1):
        if sit:
            pen.line([(side * 0.08, 0.14), (side * 0.25, 0.07)], colour, 0.095)
            pen.ellipse(side * 0.31, 0.06, 0.065, 0.055, SHOE)
        else:
            spread = 1.7 if lift > 0 else 1.0
            pen.line([(side * 0.075, 0.2 + lift), (side * 0.075 * spread, 0.05 + lift)], colour, 0.085)
            pen.ellipse(side * 0.09 * spread, 0.03 + lift, 0.07, 0.038, SHOE)


def _body(pen: Pen, look: Look, cloth: Colour, lift: float) -> None:
    low = {"dress": 0.15, "coat": 0.13, "shirt": 0.2, "jumper": 0.19}[look.clothes] + lift
    wide = {"dress": 0.25, "coat": 0.2, "shirt": 0.15, "jumper": 0.17}[look.clothes]
    top = 0.5 + lift
    pen.blob(
        [(-wide, low), (wide, low), (0.15, top - 0.12), (0.15, top), (-0.15, top), (-0.15, top - 0.12)], cloth
    )
    if look.clothes == "dress":
        pen.stroke([(-0.13, 0.31 + lift), (0.13, 0.31 + lift)], light(cloth, 0.5), 0.026)
    elif look.clothes == "coat":
        pen.stroke([(0, low + 0.02), (0, top - 0.04)], dark(cloth, 0.4), 0.014)
        for y in (0.24, 0.31, 0.38):
            pen.dot(0.04, y + lift, 0.014, rgb("f9e3a0"))
    elif look.clothes == "jumper":
        for y in (0.28, 0.35):
            pen.stroke([(-0.14, y + lift), (0.14, y + lift)], light(cloth, 0.5), 0.022)
    else:
        pen.stroke([(-0.05, top - 0.02), (0, top - 0.06), (0.05, top - 0.02)], light(cloth, 0.6), 0.02)


def _hair_behind(pen: Pen, look: Look, lift: float) -> None:
    hair = dark(HAIR_COLOURS[look.hair], 0.15)
    y = 0.7 + lift
    if look.cut == "long":
        pen.blob(
            [
                (-0.26, y - 0.4),
                (-0.1, y - 0.34),
                (0.1, y - 0.34),
                (0.26, y - 0.4),
                (0.3, y + 0.1),
                (0.16, y + 0.3),
                (-0.16, y + 0.3),
                (-0.3, y + 0.1),
            ],
            hair,
        )
    elif look.cut == "curly":
        for dx, dy in ((-0.21, 0.02), (0.21, 0.02), (-0.2, -0.12), (0.2, -0.12), (-0.15, 0.15), (0.15, 0.15)):
            pen.ellipse(dx, y + dy, 0.11, 0.11, hair)
    elif look.cut == "ponytail":
        pen.blob([(0.12, y + 0.2), (0.36, y + 0.16), (0.42, y - 0.16), (0.3, y - 0.26), (0.26, y)], hair)
    elif look.cut == "bun":
        pen.ellipse(0, y + 0.28, 0.11, 0.1, hair)
    elif look.cut == "buns":
        for side in (-1, 1):
            pen.ellipse(side * 0.24, y + 0.22, 0.14, 0.14, hair)
    elif look.cut == "spikes":
        for side in (-1, 1):
            for dy in (0.14, 0.02, -0.1):
                root, tip = side * 0.14, side * 0.37
                pen.poly([(root, y + dy + 0.1), (tip, y + dy - 0.02), (root, y + dy - 0.1)], hair)


def _head(pen: Pen, look: Look, lift: float) -> None:
    y, hair = 0.7 + lift, HAIR_COLOURS[look.hair]
    for side in (-1, 1):
        pen.ellipse(side * 0.205, y - 0.02, 0.04, 0.05, look.skin)
    pen.ellipse(0, y, 0.21, 0.21, look.skin)
    pen.blob(
        [
            (-0.22, y - 0.04),
            (-0.26, y + 0.18),
            (-0.1, y + 0.28),
            (0.1, y + 0.28),
            (0.26, y + 0.18),
            (0.22, y - 0.04),
            (0.17, y + 0.1),
            (0.02, y + 0.13),
            (-0.1, y + 0.08),
            (-0.17, y + 0.1),
        ],
        hair,
    )
    if look.cut == "curly":
        for dx in (-0.15, -0.05, 0.06, 0.16):
            pen.ellipse(dx, y + 0.17, 0.075, 0.07, hair)
    face(pen, 0, y - 0.01, 0.085, 0.03)
    if look.glasses:
        for side in (-1, 1):
            _round_glass(pen, side * 0.085, y - 0.01)
        pen.stroke([(-0.03, y - 0.01), (0.03, y - 0.01)], INK, 0.01)
    _HAT[look.hat](pen, y, NAMED[look.hat_colour])


def _no_mark(pen: Pen, lift: float) -> None:
    return


def _hem(pen: Pen, lift: float) -> None:
    """A white band around the skirt."""
    low = 0.2 + lift
    pen.poly([(-0.23, low), (0.23, low), (0.2, low + 0.08), (-0.2, low + 0.08)], NAMED["white"])


def _scarf(pen: Pen, lift: float) -> None:
    y = 0.45 + lift
    pen.poly([(0.02, y), (0.14, y), (0.16, y - 0.26), (0.04, y - 0.26)], NAMED["yellow"])
    pen.box(-0.19, y - 0.04, 0.19, y + 0.06, NAMED["yellow"], 0.05)


def _stripes(pen: Pen, lift: float) -> None:
    for y in (0.22, 0.34):
        pen.box(-0.155, y + lift, 0.155, y + lift + 0.06, NAMED["white"])


def _dungarees(pen: Pen, lift: float) -> None:
    blue = rgb("2f55a8")
    pen.box(-0.16, 0.17 + lift, 0.16, 0.28 + lift, blue, 0.03)
    pen.box(-0.1, 0.26 + lift, 0.1, 0.4 + lift, blue, 0.02)
    for side in (-1, 1):
        pen.line([(side * 0.085, 0.39 + lift), (side * 0.11, 0.49 + lift)], blue, 0.035)


_MARK: Mapping[str, Callable[[Pen, float], None]] = MappingProxyType(
    {"": _no_mark, "hem": _hem, "scarf": _scarf, "stripes": _stripes, "dungarees": _dungarees}
)


def _round_glass(pen: Pen, x: float, y: float) -> None:
    points = [
        (x + 0.056 * dx, y + 0.056 * dy)
        for dx, dy in (
            (1, 0),
            (0.7, 0.7),
            (0, 1),
            (-0.7, 0.7),
            (-1, 0),
            (-0.7, -0.7),
            (0, -1),
            (0.7, -0.7),
            (1, 0),
        )
    ]
    pen.stroke(points, INK, 0.012)


def _no_hat(pen: Pen, y: float, colour: Colour) -> None:
    return


def _hat(pen: Pen, y: float, colour: Colour) -> None:
    pen.blob([(-0.18, y + 0.14), (0.18, y + 0.14), (0.15, y + 0.36), (-0.15, y + 0.36)], colour)
    pen.ellipse(0, y + 0.155, 0.31, 0.045, colour)
    pen.stroke([(-0.145, y + 0.2), (0.145, y + 0.2)], light(colour, 0.6), 0.03)


def _cap(pen: Pen, y: float, colour: Colour) -> None:
    pen.blob(
        [
            (-0.24, y + 0.1),
            (0.24, y + 0.1),
            (0.2, y + 0.28),
            (0.08, y + 0.31),
            (-0.08, y + 0.31),
            (-0.2, y + 0.28),
        ],
        colour,
    )
    pen.blob(
        [(0.02, y + 0.16), (0.3, y + 0.16), (0.36, y + 0.11), (0.3, y + 0.08), (0.02, y + 0.1)],
        dark(colour, 0.25),
    )


def _bow(pen: Pen, y: float, colour: Colour) -> None:
    for side in (-1, 1):
        pen.blob([(0.1, y + 0.21), (0.1 + side * 0.12, y + 0.3), (0.1 + side * 0.12, y + 0.12)], colour)
    pen.ellipse(0.1, y + 0.21, 0.03, 0.03, dark(colour, 0.2))


def _big_bow(pen: Pen, y: float, colour: Colour) -> None:
    for side in (-1, 1):
        pen.blob([(0, y + 0.24), (side * 0.3, y + 0.4), (side * 0.3, y + 0.1)], colour)
    pen.ellipse(0, y + 0.25, 0.055, 0.06, dark(colour, 0.2))


_HAT: Mapping[str, Callable[[Pen, float, Colour], None]] = {
    "": _no_hat,
    "hat": _hat,
    "cap": _cap,
    "bow": _bow,
    "big bow": _big_bow,
}


def _hold(pen: Pen, look: Look, activity: str, lift: float) -> None:
    """What is behind the hands."""
    if activity == "balloon":
        pen.stroke([(0.3, 0.52 + lift), (0.33, 0.78 + lift)], INK, 0.01)
        pen.ellipse(0.34, 0.93 + lift, 0.14, 0.17, NAMED["red"] if look.colour != "red" else NAMED["blue"])
    elif activity == "guitar":
        pen.line([(-0.26, 0.41), (0.05, 0.3)], rgb("6b4228"), 0.04)
        pen.ellipse(0.08, 0.28, 0.13, 0.1, rgb("d58a44"))
        pen.ellipse(0.0, 0.31, 0.085, 0.075, rgb("d58a44"))
        pen.dot(0.06, 0.29, 0.035, rgb("5b3622"))


def _hold_in_front(pen: Pen, look: Look, activity: str, lift: float) -> None:
    if activity == "reading":
        cover = NAMED["blue"] if look.colour not in ("blue", "purple") else NAMED["yellow"]
        for side in (-1, 1):
            pen.poly([(0, 0.24), (side * 0.19, 0.29), (side * 0.19, 0.46), (0, 0.41)], cover)
            pen.poly([(0, 0.27), (side * 0.16, 0.31), (side * 0.16, 0.475), (0, 0.435)], rgb("fffaf0"))
            for y in (0.33, 0.37):
                pen.stroke([(side * 0.03, y), (side * 0.13, y + 0.03)], rgb("b9b2c0"), 0.008)
    elif activity == "tea":
        with pen.frame(0.15, 0.32 + lift, 0.16):
            food.cup(pen, NAMED["white"] if look.colour != "white" else NAMED["red"])
    elif activity == "ball":
        with pen.frame(0, 0.14, 0.28):
            things.ball(pen, NAMED["red"] if look.colour not in ("red", "pink") else NAMED["blue"])
