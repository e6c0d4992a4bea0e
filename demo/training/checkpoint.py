"""A training state on disk: written beside and renamed, so that a kill at any moment leaves a whole one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch


def write(state: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".tmp")
    torch.save(state, beside)
    beside.replace(path)


def read(path: Path) -> dict[str, Any] | None:
    """None where training has not begun."""
    return torch.load(path, weights_only=True) if path.exists() else None
