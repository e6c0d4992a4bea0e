"""What one request asks for, refused as early and as plainly as possible."""

from dataclasses import dataclass

from contract.limits import (
    MAX_COMPOSED_CHARACTERS,
    MAX_GUIDANCE,
    MAX_SEED,
    MAX_SIDE,
    MAX_STEPS,
    MAX_STRENGTH,
)
from contract.names import NAME


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
    style: str = ""  # that has a LoRA in the model's bank; "" for none
    style_strength: float = 0.0  # how much of that LoRA
    sampler: str = ""  # these two: "" for the model's own
    spacing: str = ""

    def __post_init__(self) -> None:
        for name, text in (("prompt", self.prompt), ("negative", self.negative)):
            if len(text) > MAX_COMPOSED_CHARACTERS:
                most = MAX_COMPOSED_CHARACTERS
                raise BadOrder(f"{name} has {len(text)} characters, at most {most} are taken")
        _check_name("model", self.model)
        if self.character:
            _check_name("character", self.character)
        if self.style:
            _check_name("style", self.style)
        _check_range("style_strength", self.style_strength, -MAX_STRENGTH, MAX_STRENGTH)
        _check_range("width", self.width, 1, MAX_SIDE)
        _check_range("height", self.height, 1, MAX_SIDE)
        _check_range("steps", self.steps, 1, MAX_STEPS)
        _check_range("guidance", self.guidance, 0.0, MAX_GUIDANCE)
        _check_range("seed", self.seed, 0, MAX_SEED)


def _check_name(what: str, name: str) -> None:
    if not NAME.fullmatch(name):
        raise BadOrder(f"{what} is not a valid name")


def _check_range(what: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # also false for NaN
        raise BadOrder(f"{what} is {value}, expected {low} to {high}")
