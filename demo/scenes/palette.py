"""Named colours and the few operations on them. A colour is (red, green, blue), each 0 to 1."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

Colour = tuple[float, float, float]


def rgb(code: str) -> Colour:
    """From six hexadecimal digits."""
    return (int(code[0:2], 16) / 255, int(code[2:4], 16) / 255, int(code[4:6], 16) / 255)


NAMED: Mapping[str, Colour] = MappingProxyType(
    {
        "red": rgb("e23b3b"),
        "orange": rgb("f58a1f"),
        "yellow": rgb("f9cf2e"),
        "green": rgb("3fa653"),
        "blue": rgb("2f6fdb"),
        "purple": rgb("8a4bc9"),
        "pink": rgb("f27fb2"),
        "brown": rgb("8a5a34"),
        "black": rgb("2b2b33"),
        "white": rgb("f7f5f0"),
    }
)
INK = rgb("2a2540")
CREAM = rgb("fff8ea")
NIGHT = rgb("12142b")


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`share` 0 is all `one`, 1 all `other`."""
    return tuple(a + (b - a) * share for a, b in zip(one, other, strict=True))  # type: ignore[return-value]


def light(colour: Colour, share: float = 0.3) -> Colour:
    return mix(colour, (1.0, 1.0, 1.0), share)


def dark(colour: Colour, share: float = 0.25) -> Colour:
    """Towards a deep violet, which keeps shades friendlier than black does."""
    return mix(colour, (0.10, 0.05, 0.22), share)


def vivid(colour: Colour) -> Colour:
    """The brightest colour of the same hue, for neon tubes; greys become a pale blue white."""
    low, high = min(colour), max(colour)
    if high - low < 0.15:
        return (0.85, 0.93, 1.0)
    return tuple(0.25 + 0.75 * (part - low) / (high - low) for part in colour)  # type: ignore[return-value]
