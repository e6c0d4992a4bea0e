"""Pairs of prompts of which people know whether one's picture may be served for the other."""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from frontend.domain.prompt_intent import PromptIntent
from frontend.prompts.intent import intent_of
from frontend.prompts.prompt import read

HALVES = {
    "development": Path(__file__).with_name("development.tsv"),
    "held_out": Path(__file__).with_name("held_out.tsv"),
}
COLUMNS = ["kind", "should_hit", "asked", "made"]
HITS = ("paraphrase", "reordered", "trifle", "spelling")
"""Kinds of pairs that ask for the same picture."""
MISSES = (
    "count", "colour", "subject", "negation", "relation", "setting", "sign", "figure", "grouping"
)  # fmt: skip
_NAME = re.compile(r"@(\w[\w-]*)")


@dataclass(frozen=True)
class Pair:
    kind: str
    should_hit: bool
    asked: str  # raw prompt of the request
    made: str  # raw prompt of the picture in the cache

    def __post_init__(self) -> None:
        if self.kind not in (HITS if self.should_hit else MISSES):
            raise ValueError(
                f"kind {self.kind!r} of a pair that {'should' if self.should_hit else 'must not'} hit"
            )


def load(path: Path) -> tuple[Pair, ...]:
    """Raises ValueError, naming the line, for a row that is no pair, and for pairs that are there twice."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    if header != COLUMNS:
        raise ValueError(f"{path.name}: expected the columns {', '.join(COLUMNS)}")
    pairs = tuple(_pair(row, f"{path.name}, line {number}") for number, row in enumerate(rows, 2) if row)
    if len(set(pairs)) < len(pairs):
        raise ValueError(f"{path.name}: {len(pairs) - len(set(pairs))} pairs are there twice")
    return pairs


def _pair(row: Sequence[str], where: str) -> Pair:
    try:
        kind, should_hit, asked, made = row
        return Pair(kind, {"yes": True, "no": False}[should_hit], asked, made)
    except (ValueError, KeyError) as error:
        raise ValueError(f"{where}: {error}") from None


@dataclass(frozen=True)
class Asked:
    """What the cache sees of a raw prompt."""

    character: str  # "" for none
    intent: PromptIntent
    notes: tuple[str, ...]  # what was left out of it


def asked(raw: str) -> Asked:
    reading = read(raw, {name.lower() for name in _NAME.findall(raw)})
    return Asked(reading.prompt.character, intent_of(reading), reading.notes)
