"""Where a watermark goes: what clients write for `wm_position`, as a place in the picture."""

import re
from typing import NamedTuple


class Anchor(NamedTuple):
    """Fractions of the free room: (0, 0) is the top left corner, (1, 1) the bottom right one."""

    x: float
    y: float


BOTTOM_RIGHT = Anchor(1.0, 1.0)

_VERTICAL = {"top": 0.0, "upper": 0.0, "north": 0.0, "bottom": 1.0, "lower": 1.0, "south": 1.0}
_HORIZONTAL = {"left": 0.0, "west": 0.0, "right": 1.0, "east": 1.0}
_MIDDLE = dict.fromkeys(("center", "centre", "middle"), 0.5)
_SHORT = {"tl": (0.0, 0.0), "tr": (1.0, 0.0), "bl": (0.0, 1.0), "br": (1.0, 1.0), "c": (0.5, 0.5),
          "n": (0.5, 0.0), "s": (0.5, 1.0), "w": (0.0, 0.5), "e": (1.0, 0.5),
          "nw": (0.0, 0.0), "ne": (1.0, 0.0), "sw": (0.0, 1.0), "se": (1.0, 1.0),
          "lt": (0.0, 0.0), "rt": (1.0, 0.0), "lb": (0.0, 1.0), "rb": (1.0, 1.0),
          "t": (0.5, 0.0), "b": (0.5, 1.0), "l": (0.0, 0.5), "r": (1.0, 0.5)}  # fmt: skip


def _table() -> dict[str, Anchor]:
    """Every word alone and every pair of words, in both orders, written together."""
    vertical, horizontal = _VERTICAL | _MIDDLE, _HORIZONTAL | _MIDDLE
    table = {name: Anchor(*place) for name, place in _SHORT.items()}
    table |= {name: Anchor(0.5, y) for name, y in vertical.items()}
    table |= {name: Anchor(x, 0.5) for name, x in horizontal.items()}
    for above, y in vertical.items():
        for beside, x in horizontal.items():
            table[above + beside] = table[beside + above] = Anchor(x, y)
    return table


_PLACES = _table()


def canonical_position(position: str) -> str:
    """The place that `position` names, in one spelling: `bottom-right`, `top`, `center`."""
    place = anchor(position)
    vertical = {0.0: "top", 1.0: "bottom"}.get(place.y, "")
    horizontal = {0.0: "left", 1.0: "right"}.get(place.x, "")
    return "-".join(filter(None, (vertical, horizontal))) or "center"


def anchor(position: str) -> Anchor:
    """The place that `position` names, in any of the usual spellings.

    `bottom-right`, `BOTTOM_RIGHT`, `bottomRight`, `right bottom` and `south-east` are one place; `top` is the
    middle of the upper edge. What names no place is the bottom right corner.
    """
    letters = re.sub("[^a-z]", "", position[:64].lower())
    return _PLACES.get(re.sub("(?:corner|edge)$", "", letters), BOTTOM_RIGHT)
