"""What a request demands of a picture apart from its meaning. None of it counts with `cache_force`."""

from collections.abc import Callable
from dataclasses import dataclass

from frontend.cache.candidate import Candidate

Allows = Callable[["Demands", Candidate], bool]


@dataclass(frozen=True, kw_only=True)
class Demands:
    size: tuple[int, int]
    format: str
    quality: int
    lossless: bool
    seed: int | None  # None: any
    own_look: bool  # it brings a watermark or texts of its own: no picture of others has these


ROWS: tuple[tuple[str, Allows], ...] = (
    ("own_look", lambda asked, made: not asked.own_look),
    ("size", lambda asked, made: asked.size == (made.width, made.height)),
    ("format", lambda asked, made: asked.format == made.format),
    ("seed", lambda asked, made: asked.seed is None or asked.seed == made.seed),
    ("lossless", lambda asked, made: made.lossless or not asked.lossless),
    ("quality", lambda asked, made: made.lossless or made.quality >= asked.quality),
)
"""name, and whether this picture will do. A better encoding than was asked for will."""


def unmet(asked: Demands, made: Candidate) -> str | None:
    """The name of the first demand that this picture does not meet."""
    return next((name for name, allows in ROWS if not allows(asked, made)), None)
