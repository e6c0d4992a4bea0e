"""Which part of the tables each model learns."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from demo.scenes.lights import WEATHERS
from demo.scenes.places import PLACES
from demo.scenes.scene import EVERYTHING, Choice
from demo.scenes.styles import STYLES
from demo.scenes.subjects import BY_NAME

_CPU_SUBJECTS = (
    "cat", "dog", "rabbit", "bird", "penguin", "tree", "flower", "cactus", "mushroom", "car", "bus", "boat",
    "hot-air balloon", "rocket", "house", "castle", "lighthouse", "cake",
)  # fmt: skip
_CPU_PLACES = ("beach", "forest", "city", "mountains", "snow", "room", "desert", "meadow", "lake")
_CPU_STYLES = ("storybook", "outline", "neon", "watercolour", "papercut")

CHOICES: Mapping[str, Choice] = MappingProxyType(
    {
        "cpu": Choice(
            subjects=tuple(BY_NAME[name] for name in _CPU_SUBJECTS),
            places=tuple(place for place in PLACES if place.name in _CPU_PLACES),
            styles=tuple(style for style in STYLES if style.name in _CPU_STYLES),
            usual=0.25,
            mascots=0.42,
            crowds=0.2,
            companions=0.3,
            weathers=WEATHERS[:3],
            variety=2,
        ),
        "full": EVERYTHING,
    }
)
