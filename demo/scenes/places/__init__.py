"""Settings: each draws a whole background and says where the ground is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from demo.scenes.lights import Light
from demo.scenes.pen import Pen
from demo.scenes.places.country import desert, forest, lake, meadow, mountains, snow
from demo.scenes.places.seaside import beach
from demo.scenes.places.town import city, park, room

Draw = Callable[[Pen, float, Light, Random], None]


@dataclass(frozen=True)
class Place:
    name: str
    words: tuple[str, ...]
    draw: Draw
    """Draws the background; the pen's unit is the picture's height, the number its width."""
    indoor: bool = False


PLACES = (
    Place("beach", ("on the beach", "at the seaside"), beach),
    Place("forest", ("in the forest", "in the woods"), forest),
    Place("city", ("in the city", "on a city street"), city),
    Place("mountains", ("in the mountains",), mountains),
    Place("snow", ("in the snow", "in a snowy field"), snow),
    Place("room", ("in a room", "in a cosy room"), room, indoor=True),
    Place("desert", ("in the desert",), desert),
    Place("park", ("in the park",), park),
    Place("meadow", ("in a meadow", "in a flower meadow"), meadow),
    Place("lake", ("by the lake",), lake),
)
HORIZON = 0.34
"""Height of the horizon in every setting, as a share of the picture's height."""
