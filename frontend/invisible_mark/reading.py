"""Reads the mark of a picture that may have been cropped, scaled, stretched, turned, mirrored, compressed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from frontend.invisible_mark.autocorrelation import autocorrelation
from frontend.invisible_mark.codes import SIDE, Codes, Float
from frontend.invisible_mark.folding import FINE, fold, phases, roll
from frontend.invisible_mark.lattice import Edges, lattices
from frontend.invisible_mark.residual import grey_of, residual
from frontend.invisible_mark.spectrum import even_out

SMALLEST_CHIP = 2.0
"""Pixels: fit for what comes as thumbnails; larger chips are found all the same."""
MAX_SIDE = 1600
"""Pixels: larger pictures are read at this size."""
SHORTEST = 96
"""Pixels: a smaller picture holds less than a tile."""
TRIES = 5
SURE = 9.0
"""Units of noise: with a pilot that fits this well no other lattice is tried."""
NOTHING = 1e-3
"""A residual below this is rounding: the picture is all of one colour."""
LIKELY = 7.0
"""Units of noise. Of 2,000 unmarked pieces chance made five fits above 6.3, and none above 6.5; of 400 marked
and attacked pictures all that were read rightly had 8.1 or more."""


@dataclass(frozen=True, kw_only=True)
class MarkReading:
    """What was found. `soft` still has to be held against the ids that were issued."""

    soft: Float  # [64], above 0 for a one, in units of the noise
    variant: int
    score: float  # of the pilot, in units of the noise
    version: int  # of the key
    mirrored: bool
    edges: Edges  # of the tile, in pixels of the picture as it was read
    origin: tuple[float, float]  # where a tile begins, (x, y) in edges; from the other side where mirrored

    @property
    def frame(self) -> tuple[Edges, npt.NDArray[np.float64]]:
        """Matrix and offset from places in the picture that the mark was laid on, counted in tiles and known
        up to whole ones, to pixels of the picture as it was read."""
        across, down = self.origin
        if self.mirrored:
            return self.edges.T * (-1, 1), self.edges.T @ (1 - across, down)
        return self.edges.T, self.edges.T @ self.origin


def read(pixels: npt.NDArray[np.uint8], keys: Sequence[Codes]) -> MarkReading | None:
    """The likeliest mark in `pixels` [H, W, 3]; None if none stands out of the noise."""
    if min(pixels.shape[:2]) < SHORTEST:
        return None
    grey = grey_of(pixels, MAX_SIDE)
    if min(grey.shape) < SHORTEST:
        return None
    rest, _ = residual(grey, SMALLEST_CHIP)
    if np.abs(rest).max() < NOTHING:
        return None
    shifts = autocorrelation(rest)
    best: MarkReading | None = None
    for edges in lattices(shifts, TRIES):
        for reading in _readings(grey, edges, keys):
            if best is None or reading.score > best.score:
                best = reading
        if best is not None and best.score >= SURE:
            break
    return best if best is not None and best.score >= LIKELY else None


def _readings(grey: Float, edges: Edges, keys: Sequence[Codes]) -> Iterator[MarkReading]:
    chip = float(np.sqrt(abs(np.linalg.det(edges)))) / SIDE
    rest, weights = residual(grey, chip)
    folded = fold(even_out(rest), weights, edges)
    for mirrored in (False, True):
        tiles = phases(np.ascontiguousarray(folded[:, ::-1]) if mirrored else folded)
        for codes in keys:
            yield _best_fit(tiles, codes, mirrored, edges)


def _best_fit(tiles: Float, codes: Codes, mirrored: bool, edges: Edges) -> MarkReading:
    fits = codes.correlate(tiles)
    place = np.abs(fits).argmax()
    phase, variant, down, across = (int(one) for one in np.unravel_index(place, fits.shape))
    fit = fits[phase, variant, down, across]
    tile = np.sign(fit) * roll(tiles[phase], down, across)
    return MarkReading(
        soft=codes.soft_bits(tile, variant),
        variant=variant,
        score=float(abs(fit)),
        version=codes.version,
        mirrored=mirrored,
        edges=edges,
        origin=(across / SIDE + phase % FINE / (FINE * SIDE), down / SIDE + phase // FINE / (FINE * SIDE)),
    )
