"""Seeded vectors that lie as those of prompts do.

- Directions are not equally likely: the variance along them falls as 1/rank, as a sentence encoder's does.
- Subjects are popular by Zipf's law (exponent 0.7), 50 prompts each on average. A prompt is its subject's
  direction and a part of its own, so that two of one subject have a similarity of 0.6 to 0.98, those of
  different subjects one around 0.
- One in ten is the vector of an earlier prompt, to the bit: people ask for the same again.

Queries are entries said in other words: similarity 0.8 to 0.99 to one of them.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

DIMENSION = 384
PROMPTS_PER_SUBJECT = 50
CHUNK = 65_536
Vectors = npt.NDArray[np.float32]


def write_entries(path: Path, count: int, seed: int = 1) -> None:
    """A .npy file of [count, DIMENSION], made and kept in pieces."""
    rng = np.random.default_rng(seed)
    subjects = directions(rng, max(1, count // PROMPTS_PER_SUBJECT))
    popularity = 1 / np.arange(1, len(subjects) + 1) ** 0.7
    popularity /= popularity.sum()
    entries = np.lib.format.open_memmap(path, "w+", np.float32, (count, DIMENSION))
    for start in range(0, count, CHUNK):
        size = min(CHUNK, count - start)
        piece = near(
            rng, subjects[rng.choice(len(subjects), size, p=popularity)], np.sqrt(0.6), np.sqrt(0.98)
        )
        again = np.flatnonzero(rng.random(size) < 0.1)
        piece[again] = piece[rng.integers(0, size, len(again))]
        entries[start : start + size] = piece
    entries.flush()


def queries(entries: Vectors, count: int, seed: int = 2) -> Vectors:
    """[count, DIMENSION]"""
    rng = np.random.default_rng(seed)
    return near(rng, entries[np.sort(rng.integers(0, len(entries), count))], 0.8, 0.99)


def near(rng: np.random.Generator, vectors: Vectors, least: float, most: float) -> Vectors:
    """Of unit length, with a similarity between the two to each of them."""
    share = rng.uniform(least, most, (len(vectors), 1)).astype(np.float32)
    own = directions(rng, len(vectors))
    own = unit(own - vectors * (own * vectors).sum(axis=1, keepdims=True))
    return unit(vectors * share + own * np.sqrt(1 - share**2))


def directions(rng: np.random.Generator, count: int) -> Vectors:
    deviations = (1 / np.sqrt(np.arange(1, DIMENSION + 1))).astype(np.float32)
    return unit(rng.standard_normal((count, DIMENSION), np.float32) * deviations)


def unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
