"""Drawing styles as rows of data: how the pen fills and outlines, and what happens to the whole."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from demo.scenes.palette import INK, Colour


class Fill(Enum):
    SOLID = "solid"
    SHADED = "shaded"
    TINT = "tint"
    TUBE = "tube"
    WASH = "wash"
    PAPER = "paper"


@dataclass(frozen=True)
class Style:
    name: str
    words: tuple[str, ...]
    """Caption phrases; the first is the usual one."""
    fill: Fill
    outline: float = 0.0
    """Stroke width around every shape, as a share of the picture's shorter side."""
    ink: Colour = INK
    pixel: int = 0
    """Side of the square blocks of a pixel drawing, in pixels of a picture whose shorter side is 768."""
    grain: float = 0.0
    """Strength of the paper texture."""
    lit: bool = True
    """Whether light tints the picture; neon brings its own."""


STYLES = (
    Style("flat", ("flat illustration", "flat vector art"), Fill.SOLID),
    Style("storybook", ("storybook illustration", "soft shading"), Fill.SHADED),
    Style("outline", ("outline drawing", "ink line art"), Fill.TINT, outline=0.008, lit=False),
    Style("neon", ("neon", "glowing neon lines"), Fill.TUBE, outline=0.012, lit=False),
    Style("watercolour", ("watercolour", "watercolor painting"), Fill.WASH, grain=0.06),
    Style("papercut", ("paper cut", "layered paper craft"), Fill.PAPER, grain=0.03),
    Style("pixel", ("pixel art", "retro pixel game"), Fill.SOLID, pixel=16),
)
USUAL_STYLE = STYLES[1]
"""That of a prompt that names none."""
