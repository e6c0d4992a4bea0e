"""Light and weather as rows of data."""

from __future__ import annotations

from dataclasses import dataclass

from demo.scenes.palette import Colour, rgb


@dataclass(frozen=True)
class Light:
    name: str
    words: tuple[str, ...]
    sky: tuple[Colour, Colour]
    """Top and horizon."""
    tint: Colour
    """What the whole picture is multiplied by; subjects take half of it."""
    sun: Colour | None
    """Colour of the sun or moon, if one is in the sky."""
    night: bool = False
    clouds: bool = True


LIGHTS = (
    Light(
        "day",
        ("bright daylight", "sunny", "in the morning"),
        (rgb("5fb4ec"), rgb("d3eefb")),
        rgb("ffffff"),
        rgb("fff3b0"),
    ),
    Light(
        "warm",
        ("warm lighting", "golden hour", "in the afternoon"),
        (rgb("f6b25f"), rgb("fde6b3")),
        rgb("ffe3ba"),
        rgb("fff2c4"),
    ),
    Light(
        "sunset",
        ("at sunset", "sunset sky", "in the evening", "at dusk"),
        (rgb("6c4fa3"), rgb("ff9a6b")),
        rgb("f3c9c6"),
        rgb("ffd98a"),
    ),
    Light("soft", ("soft light", "cloudy", "overcast"), (rgb("b9c8d6"), rgb("e9eef0")), rgb("eef1f5"), None),
    Light(
        "night",
        ("at night", "moonlight", "starry night"),
        (rgb("131a45"), rgb("3d4c8f")),
        rgb("8f98d8"),
        rgb("f6f2d8"),
        True,
    ),
)


@dataclass(frozen=True)
class Weather:
    name: str
    words: tuple[str, ...]


WEATHERS = (
    Weather("clear", ()),
    Weather("rain", ("rain", "rainy weather")),
    Weather("snowfall", ("snowfall", "falling snow")),
    Weather("fog", ("fog", "misty")),
)
