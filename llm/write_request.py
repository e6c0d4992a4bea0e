"""What the model is asked, and what it wrote."""

from dataclasses import dataclass

MAX_TOKENS = 48  # of an answer


@dataclass(frozen=True)
class WriteRequest:
    idea: str
    max_tokens: int = MAX_TOKENS
    temperature: float = 0.5
    seed: int = 0  # 0 to 2**32 - 2


@dataclass(frozen=True)
class WrittenText:
    text: str
    prompt_tokens: int
    tokens: int
    finished: bool  # whether the model came to an end by itself
