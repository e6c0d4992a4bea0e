"""How many orders a Triton works on, by model: text_to_image writes it, model_control tells it."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

MAX_BYTES = 1 << 16


def tell_order_counts(file: Path, counts: Mapping[str, int]) -> None:
    """Raises OSError; also where another user put something in its place, which is never written through."""
    beside = file.with_suffix(".tmp")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        json.dump({model: count for model, count in counts.items() if count}, opened)
    beside.rename(file)


def told_order_counts(file: Path) -> dict[str, int]:
    """Nothing where none was told."""
    try:
        with file.open("rb") as opened:
            return {str(model): int(count) for model, count in json.loads(opened.read(MAX_BYTES)).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
