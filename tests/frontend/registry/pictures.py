"""Registered pictures, and columns full of them."""

import random
from typing import Any

import numpy as np

from frontend.domain.registered_picture import RegisteredPicture
from frontend.registry.index import Columns, empty


def a_registered(number: int = 1, **changes: Any) -> RegisteredPicture:
    """Different in everything for each `number`."""
    bits = random.Random(number)
    values: dict[str, Any] = {
        "gen_id": f"gen{number}",
        "job": f"run_{number}",
        "owner": "studio",
        "time": "2026-01-02T03:04:05Z",
        "model": "eros",
        "character": "",
        "invisible_id": f"{bits.getrandbits(64):016x}",
        "invisible_key": 1,
        "fingerprint": f"{bits.getrandbits(256):064x}",
        "fingerprint_quality": 90,
        "sha256": f"{bits.getrandbits(256):064x}",
        "file": f"pictures/{number}.jpg",
    }
    return RegisteredPicture(**values | changes)


def many(count: int) -> Columns:
    """Random pictures with marks of key 1."""
    bits = np.random.default_rng(5)
    columns = empty(count)
    for column in (columns.marks, columns.prints, columns.files, columns.names):
        column[:] = bits.integers(0, 2**64, column.shape, dtype=np.uint64)
    columns.keys[:], columns.qualities[:] = 1, 90
    columns.entries[0] = np.arange(1, count + 1)
    return columns
