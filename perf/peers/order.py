"""What every contender is asked for; also what goes to their processes, as JSON."""

from dataclasses import dataclass
from typing import Literal

Character = Literal["", "aya", "bella"]


@dataclass(frozen=True, kw_only=True)
class PeerOrder:
    prompt: str  # as the network is given it
    negative: str
    width: int
    height: int
    steps: int
    guidance: float
    seed: int  # of the first noise, which is ours where a contender takes one
    character: Character = ""  # the LoRA to draw with
