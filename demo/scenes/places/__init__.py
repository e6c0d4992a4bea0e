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

Draw = Callable[[Pen, float, Light, Random, bool], None]


@dataclass(frozen=True)
class Place:
    name: str
    words: tuple[str, ...]
    draw: Draw
    """Draws the background; the pen's unit is the picture's height, the number its width. The last argument
    says whether `detail` is there."""
    detail: str = ""
    """What most pictures of this place show and a prompt's negatives can take away."""
    indoor: bool = False


PLACES = (
    Place("beach", ("on the beach", "at the seaside", "by the sea"), beach, "palm tree"),
    Place("forest", ("in the forest", "in the woods"), forest, "flowers"),
    Place("city", ("in the city", "on a city street", "in town"), city, "street lamps"),
    Place("mountains", ("in the mountains", "on a mountain"), mountains, "snowy peaks"),
    Place("snow", ("in the snow", "in a snowy field", "in winter"), snow, "fir trees"),
    Place("room", ("in a room", "in a cosy room", "at home"), room, "window", indoor=True),
    Place("desert", ("in the desert",), desert, "cacti"),
    Place("park", ("in the park",), park, "path"),
    Place("meadow", ("in a meadow", "on a green meadow", "in a garden", "in a field"), meadow, "flowers"),
    Place("lake", ("by the lake",), lake, "fir trees"),
)
HORIZON = 0.34
"""Height of the horizon in every setting, as a share of the picture's height."""
