"""Where things stand: feet, height and drawing order, in units of the picture's height.

Everything stands on a grid of squares, each of which is one latent of the model: a thing then looks the same
to the model wherever it is, which is far quicker to learn, and is drawn sharper."""

from __future__ import annotations

from dataclasses import dataclass, replace

from demo.scenes.scene import Mascot, Scene, Thing

MASCOT_WIDTH = 0.85
GROUND = 0.11
TALL = 0.78
"""Of what is alone in its picture."""
SQUARE = 32
"""Side of a square of the grid, in pixels."""


@dataclass(frozen=True)
class Spot:
    item: Thing | Mascot
    x: float
    y: float
    height: float
    airborne: bool = False


def layout(scene: Scene, aspect: float, square: float) -> tuple[Spot, ...]:
    """`aspect` is width over height, `square` the side of one of the grid. Spots come in drawing order, the
    farthest first."""
    if scene.main is None:
        return ()
    if scene.other is not None:
        spots = _pair(scene, scene.main, scene.other, aspect)
    elif scene.count > 1:
        spots = _crowd(scene.main, scene.count, aspect)
    else:
        spots = (_spot(scene.main, aspect / 2, GROUND, aspect * 0.86, TALL),)
    return tuple(_on_grid(spot, square) for spot in spots)


def _on_grid(spot: Spot, square: float) -> Spot:
    """Feet on the nearest corner; an even number of squares tall, which keeps the number of sizes low."""
    pairs = max(1, int(spot.height / (2 * square) + 1e-6))
    return replace(
        spot,
        x=round(spot.x / square) * square,
        y=round(spot.y / square) * square,
        height=2 * pairs * square,
    )


def _spot(item: Thing | Mascot, x: float, y: float, room: float, tall: float) -> Spot:
    """As tall as asked, less where `room` (a width) is short."""
    if isinstance(item, Mascot):
        return Spot(item, x, y, min(tall * 1.05, room / MASCOT_WIDTH))
    height = min(tall * item.subject.size, room / item.subject.width)
    lift = 0.26 if item.subject.airborne and y < 0.3 else 0.0
    return Spot(item, x, min(y + lift, 0.97 - height), height, item.subject.airborne)


def _crowd(main: Thing | Mascot, count: int, aspect: float) -> tuple[Spot, ...]:
    if aspect > 0.8:
        xs = [aspect * (number + 0.5) / count for number in range(count)]
        room = aspect / count * 0.92
        return tuple(_spot(main, x, GROUND, room, 0.55) for x in xs)
    rows = ((0.3, 0.36), (0.7, 0.08)) if count == 2 else ((0.27, 0.36), (0.73, 0.36), (0.5, 0.06))
    return tuple(_spot(main, aspect * x, y, aspect * (0.62 if count == 2 else 0.46), 0.36) for x, y in rows)


def _pair(scene: Scene, main: Thing | Mascot, other: Thing, aspect: float) -> tuple[Spot, ...]:
    """Each relation has one arrangement: of two, a small model draws both at once."""
    half = aspect * 0.47
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
        shift, tall = (0.1, 0.62) if scene.relation == "under" else (0.16, 0.56)
        back = _spot(other, aspect * (0.5 - shift), 0.24, aspect * 0.9, tall)
        return (back, _spot(main, aspect * (0.5 + shift), 0.06, aspect * 0.7, 0.54))
    near, far = (0.27, 0.74) if scene.relation == "left of" else (0.73, 0.26)
    return (
        _spot(other, aspect * far, GROUND + 0.03, half, 0.6),
        _spot(main, aspect * near, GROUND, half, 0.6),
    )
