"""What one request asks for, refused as early and as plainly as possible."""

import re
from dataclasses import dataclass

MAX_SIDE = 2048  # pixels
MAX_STEPS = 100
MAX_GUIDANCE = 30.0
# Characters of one prompt. The API composes up to 36,110: six texts of 4,000, spaces after all commas added,
# and the word before what is excluded.
MAX_TEXT = 40_000
# The catalogue's and the exporter's too. One dash at a time: two part a model's name from a character's.
NAME = re.compile(r"(?=.{1,64}\Z)[a-z0-9]+(?:-[a-z0-9]+)*")


class BadOrder(Exception):
    """The request cannot be met as it stands; the text is one line, for the client's log."""


@dataclass(frozen=True, kw_only=True)
class Order:
    prompt: str
    negative: str
    model: str
    character: str  # "" for none
    width: int
    height: int
    steps: int
    guidance: float
    seed: int

    def __post_init__(self) -> None:
        for name, text in (("prompt", self.prompt), ("negative", self.negative)):
            if len(text) > MAX_TEXT:
                raise BadOrder(f"{name} has {len(text)} characters, at most {MAX_TEXT} are taken")
        _check_name("model", self.model)
        if self.character:
            _check_name("character", self.character)
        _check_range("width", self.width, 1, MAX_SIDE)
        _check_range("height", self.height, 1, MAX_SIDE)
        _check_range("steps", self.steps, 1, MAX_STEPS)
        _check_range("guidance", self.guidance, 0.0, MAX_GUIDANCE)
        _check_range("seed", self.seed, 0, 2**63 - 1)


def _check_name(what: str, name: str) -> None:
    if not NAME.fullmatch(name):
        raise BadOrder(f"{what} is not a valid name")


def _check_range(what: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # also false for NaN
        raise BadOrder(f"{what} is {value}, expected {low} to {high}")
