"""Where things stand: feet, height and drawing order, in units of the picture's height."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from demo.scenes.scene import Person, Scene, Thing

PERSON_WIDTH = 0.85
GROUND = 0.11


@dataclass(frozen=True)
class Spot:
    item: Thing | Person
    x: float
    y: float
    height: float
    airborne: bool = False


def layout(scene: Scene, aspect: float, random: Random) -> tuple[Spot, ...]:
    """`aspect` is width over height. Spots come in drawing order, the farthest first."""
    if scene.other is not None:
        return _pair(scene, scene.other, aspect, random)
    if scene.count > 1:
        return _crowd(scene, aspect, random)
    x = aspect * (0.5 + random.uniform(-0.07, 0.07))
    return (_spot(scene.main, x, GROUND, aspect * 0.86, 0.72),)


def _spot(item: Thing | Person, x: float, y: float, room: float, tall: float) -> Spot:
    """As tall as asked, less where `room` (a width) is short."""
    if isinstance(item, Person):
        return Spot(item, x, y, min(tall * 1.05, room / PERSON_WIDTH))
    height = min(tall * item.subject.size, room / item.subject.width)
    lift = 0.26 if item.subject.airborne and y < 0.3 else 0.0
    return Spot(item, x, min(y + lift, 0.97 - height), height, item.subject.airborne)


def _crowd(scene: Scene, aspect: float, random: Random) -> tuple[Spot, ...]:
    main, count = scene.main, scene.count
    if aspect > 0.8:
        xs = [aspect * (number + 0.5) / count for number in range(count)]
        room = aspect / count * 0.92
        return tuple(
            _spot(main, x + random.uniform(-0.02, 0.02), GROUND + random.uniform(-0.02, 0.04), room, 0.55)
            for x in xs
        )
    rows = ((0.3, 0.36), (0.7, 0.08)) if count == 2 else ((0.27, 0.36), (0.73, 0.36), (0.5, 0.06))
    return tuple(_spot(main, aspect * x, y, aspect * (0.62 if count == 2 else 0.46), 0.36) for x, y in rows)


def _pair(scene: Scene, other: Thing, aspect: float, random: Random) -> tuple[Spot, ...]:
    main, half = scene.main, aspect * 0.47
    if scene.relation == "above":
        return (
            _spot(other, aspect / 2, 0.06, aspect * 0.8, 0.4),
            _spot(main, aspect / 2, 0.56, aspect * 0.8, 0.4),
        )
    if scene.relation == "under" and other.subject.airborne:
        return (
            _spot(other, aspect / 2, 0.62, aspect * 0.8, 0.34),
            _spot(main, aspect / 2, 0.06, aspect * 0.8, 0.52),
        )
    if scene.relation in ("under", "in front of"):
        side = random.choice((-1, 1))
        shift = 0.1 if scene.relation == "under" else 0.16
        back = _spot(
            other,
            aspect * (0.5 - side * shift),
            0.24,
            aspect * 0.9,
            0.62 if scene.relation == "under" else 0.56,
        )
        return (back, _spot(main, aspect * (0.5 + side * shift), 0.06, aspect * 0.7, 0.54))
    near, far = (0.27, 0.74) if scene.relation == "left of" else (0.73, 0.26)
    return (
        _spot(other, aspect * far, GROUND + 0.03, half, 0.6),
        _spot(main, aspect * near, GROUND, half, 0.6),
    )
