"""pipeline.json: what the export tells us about a base model."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schedule import FlowSchedule, ScaledLinearSchedule, Schedule

FORMAT = 1
PADS = ("pad_token", "pad_token_2")
MAX_WINDOWS = 32
"""Windows of one prompt that a denoiser looks at, unless its description says fewer: 2,400 tokens."""


class BadDescription(Exception):
    """A model's own files are not usable; the text is one line that names the file."""


@dataclass(frozen=True, kw_only=True)
class Description:
    schedule: Schedule
    latent_channels: int
    downscale: int  # pixels of the picture per latent, along one side
    pad_tokens: tuple[int, ...]  # of tokenizer and, for SDXL, tokenizer_2
    token_window: int
    max_windows: int  # of one prompt that the denoiser takes; a TensorRT plan is built for few


def read_description(path: Path) -> Description:
    """Raises BadDescription."""
    try:
        table = json.loads(path.read_text())
        if table["format"] != FORMAT:
            raise ValueError(f"format is {table['format']}, expected {FORMAT}")
        return Description(
            schedule=_schedule(table["sigmas"]),
            latent_channels=_bounded(table, "latent_channels", 1, 256),
            downscale=_bounded(table, "downscale", 1, 64),
            # SD 1.5 has one text encoder, so no second kind of padding.
            pad_tokens=tuple(
                _bounded(table, name, 0, 2**31) for name in PADS if name in table or name == PADS[0]
            ),
            token_window=_bounded(table, "token_window", 3, 1024),
            max_windows=_bounded({"max_windows": MAX_WINDOWS, **table}, "max_windows", 1, MAX_WINDOWS),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadDescription(f"{path.parent.name}/{path.name}: {type(error).__name__}: {error}") from None


def _schedule(table: Mapping[str, Any]) -> Schedule:
    kinds = {"flow": FlowSchedule, "scaled_linear": ScaledLinearSchedule}
    values = {name: value for name, value in table.items() if name != "kind"}
    schedule: Schedule = kinds[table["kind"]](**values)
    return schedule


def _bounded(table: Mapping[str, Any], name: str, low: int, high: int) -> int:
    value = table[name]
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name} is {value!r}, expected {low} to {high}")
    return value
