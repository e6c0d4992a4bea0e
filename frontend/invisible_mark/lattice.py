"""Finds the two edges of the mark's tile, as they lie in a picture that was scaled, stretched and turned."""

from collections.abc import Iterator
from itertools import islice

import cv2
import numpy as np
import numpy.typing as npt

from frontend.invisible_mark.codes import Float

Edges = npt.NDArray[np.float64]
"""[2, 2]: the tile's edge to the right and its edge downwards, each as (x, y) in pixels."""

MIN_TILE, MAX_TILE = 56.0, 560.0
"""Side of a tile in pixels: 0.22 to 2.2 times what was written."""
TURN = 12.0
"""Degrees, to either side."""
STRETCH = 1.24
"""Largest ratio of the two sides, either way."""
NEAR = 5
"""A peak this far from where it should be (in each direction half of it) still counts in the first search."""
STEPS = tuple((a, b) for b in range(4) for a in range(-4, 5) if (b > 0 or a > 0) and abs(a) + b <= 5)
"""Points of the lattice that are looked at, in edges; the other half is the same by symmetry."""
MAX_PEAK = 7.0
"""Units of noise that one point may add: no single peak of the picture's own shall decide."""


def lattices(shifts: Float, most: int) -> Iterator[Edges]:
    """The likeliest first. `shifts`: as `autocorrelation` makes them."""
    guesses = _grid()
    scores = _scores(shifts, guesses, NEAR)
    order = np.argsort(-scores)[:400]
    found = islice(_apart(guesses[order], scores[order]), 3 * most)
    refined = [_refine(shifts, edges) for edges in found]
    ranked = sorted(refined, key=lambda edges: -float(_scores(shifts, edges[None], 3)[0]))
    yield from islice(_apart(np.array(ranked), np.zeros(len(ranked), np.float32)), most)


def _grid() -> npt.NDArray[np.float64]:
    """[n, 2, 2] edges: every size, turn and stretch, the stretch before or after the turn."""
    sizes = np.geomspace(MIN_TILE, MAX_TILE, 170)
    turns = np.radians(np.linspace(-TURN, TURN, 33))
    ratios = np.geomspace(1 / STRETCH, STRETCH, 17)
    size, turn, ratio = (axis.ravel() for axis in np.meshgrid(sizes, turns, ratios, indexing="ij"))
    wide, high = size * np.sqrt(ratio), size / np.sqrt(ratio)
    cos, sin = np.cos(turn), np.sin(turn)
    turned_last = np.stack([[wide * cos, wide * sin], [-high * sin, high * cos]])
    turned_first = np.stack([[wide * cos, high * sin], [-wide * sin, high * cos]])
    return np.concatenate([turned_last, turned_first], -1).transpose(2, 0, 1)


def _scores(shifts: Float, guesses: npt.NDArray[np.float64], near: int) -> Float:
    """[n]. Under noise alone about normal, whatever the number of points that lie inside."""
    kernel = np.ones((near, near), np.uint8)
    peaks = [cv2.dilate(shifts, kernel), cv2.dilate(-shifts, kernel)]
    usual = [(float(peak.mean()), float(peak.std())) for peak in peaks]
    middle = np.array(shifts.shape)[::-1] // 2
    total, count = np.zeros(len(guesses), np.float32), np.zeros(len(guesses), np.float32)
    for a, b in STEPS:
        odd = (a + b) % 2
        at = np.rint(guesses[:, 0] * a + guesses[:, 1] * b).astype(np.int32) + middle
        inside = ((at >= 0) & (at < 2 * middle + 1)).all(1)
        values = peaks[odd][at[inside, 1], at[inside, 0]]
        mean, deviation = usual[odd]
        total[inside] += np.clip((values - mean) / deviation, -2, MAX_PEAK)
        count += inside
    scores: Float = np.where(count >= 2, total / np.sqrt(np.maximum(count, 1)), -np.inf)
    return scores


def _apart(edges: npt.NDArray[np.float64], scores: Float) -> Iterator[Edges]:
    """Without those that nearly equal a better one."""
    taken: list[Edges] = []
    for one, score in zip(edges, scores, strict=True):
        if score > -np.inf and all(np.abs(one - other).max() > 2.5 for other in taken):
            taken.append(one)
            yield one


def _refine(shifts: Float, edges: Edges) -> Edges:
    """Moves the edges to fit the peaks that are found near the lattice's points, to fractions of a pixel."""
    for reach in (3, 2):
        places, peaks, weights = [], [], []
        for a, b in STEPS:
            found = _peak(shifts, edges[0] * a + edges[1] * b, reach, -1 if (a + b) % 2 else 1)
            if found is not None:
                places.append((a, b))
                peaks.append(found[0])
                weights.append(found[1])
        if len(places) < 2 or np.linalg.matrix_rank(places) < 2:
            return edges
        by = np.array(weights)[:, None]
        fitted, *_ = np.linalg.lstsq(np.array(places) * by, np.array(peaks) * by, rcond=None)
        if np.abs(fitted - edges).max() > 6:
            return edges
        edges = fitted
    return edges


def _peak(
    shifts: Float, near: npt.NDArray[np.float64], reach: int, sign: int
) -> tuple[npt.NDArray[np.float64], float] | None:
    """Place, to a fraction of a pixel, and height of the peak within `reach` pixels of `near`."""
    middle = np.array(shifts.shape)[::-1] // 2
    x, y = np.rint(near).astype(int) + middle
    if not (reach < x < shifts.shape[1] - reach - 1 and reach < y < shifts.shape[0] - reach - 1):
        return None
    around = sign * shifts[y - reach : y + reach + 1, x - reach : x + reach + 1]
    row, column = np.unravel_index(around.argmax(), around.shape)
    height = float(around[row, column])
    if height < 2.5:
        return None
    y, x = y - reach + int(row), x - reach + int(column)
    cross = sign * shifts[y - 1 : y + 2, x], sign * shifts[y, x - 1 : x + 2]
    return np.array([x + _vertex(cross[1]), y + _vertex(cross[0])]) - middle, height


def _vertex(three: Float) -> float:
    """Of the parabola through three neighbours, from the middle one."""
    before, here, after = (float(value) for value in three)
    bend = before - 2 * here + after
    return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else 0.0
