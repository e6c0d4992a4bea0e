"""Lays all tiles of a picture on top of each other."""

import cv2
import numpy as np
import numpy.typing as npt

from frontend.invisible_mark.codes import SIDE, Float
from frontend.invisible_mark.lattice import Edges

FINE = 2
"""Samples along a chip."""


def fold(residual: Float, weights: Float, edges: Edges) -> Float:
    """[FINE·SIDE, FINE·SIDE]: the tile as the whole picture says it, starting anywhere. Beyond its right and
    lower end it goes on with the opposite sign."""
    samples = FINE * SIDE
    across, down = edges / samples
    matrix = np.array([across, down]).T  # from samples to pixels
    first, last = _span(matrix, residual.shape, samples)
    size = float(np.sqrt(abs(np.linalg.det(matrix))))
    if size > 1.3:  # fewer samples than pixels
        residual, weights = (_smooth(one, 0.4 * size) for one in (residual, weights))
    count = last - first
    place = np.column_stack([matrix, matrix @ (first * samples + 0.5) - 0.5])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    shape = tuple(int(side) for side in count * samples)
    values, trust = (cv2.warpAffine(one, place, shape, flags=flags) for one in (residual, weights))
    signs = 1 - 2 * ((np.arange(count[1])[:, None] + np.arange(count[0])) % 2).astype(np.float32)
    split = (count[1], samples, count[0], samples)
    total = np.einsum("iajb,ij->ab", values.reshape(split), signs)
    trusted = trust.reshape(split).sum((0, 2))
    folded: Float = total / np.sqrt(trusted * trusted.mean() + np.float32(1e-12))
    return folded


def _smooth(picture: Float, deviation: float) -> Float:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), deviation), np.float32)


def phases(folded: Float) -> Float:
    """[FINE², SIDE, SIDE], deviation 1: a tile's chips for each way that its first chip may lie."""
    wider = np.pad(folded, ((0, FINE), (0, FINE)))
    wider[-FINE:, :-FINE], wider[:-FINE, -FINE:] = -folded[:FINE], -folded[:, :FINE]
    wider[-FINE:, -FINE:] = folded[:FINE, :FINE]
    length = FINE * SIDE
    starts = [(y, x) for y in range(FINE) for x in range(FINE)]
    cut = np.stack([wider[y : y + length, x : x + length] for y, x in starts])
    chips = cut.reshape(-1, SIDE, FINE, SIDE, FINE).mean((2, 4))
    deviation = chips.std((1, 2), keepdims=True)
    standardised: Float = (chips / np.maximum(deviation, 1e-12)).astype(np.float32)
    return standardised


def roll(tile: Float, down: int, across: int) -> Float:
    """The tile that begins at (down, across) of one that goes on with the opposite sign."""
    period = np.block([[tile, -tile], [-tile, tile]])
    return period[down : down + SIDE, across : across + SIDE]


def _span(
    matrix: npt.NDArray[np.float64], shape: tuple[int, ...], samples: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """First and last tile, (x, y), of those that cover a picture."""
    height, width = shape
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]])
    tiles = corners @ np.linalg.inv(matrix).T / samples
    return np.floor(tiles.min(0)).astype(np.int64), np.ceil(tiles.max(0)).astype(np.int64)
