"""What the cache would do with each pair."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from frontend.cache.normal_form import embedded_text
from frontend.cache.rules.table import conflict
from perf.cache_quality.encoder import Encode
from perf.cache_quality.pairs import Pair, asked
from perf.cache_quality.share import Share

FLOOR = 0.95
ARMS = ("floor, as typed", "floor, normal form", "floor + rules")


@dataclass(frozen=True)
class Judged:
    pair: Pair
    same_character: bool
    typed: float  # cosine of the prompts as typed
    normal: float  # cosine of their normal forms
    rule: str | None  # that says no

    def record_served(self, arm: str, floor: float = FLOOR) -> bool:
        """Characters have partitions of their own, so another one's picture is never found."""
        similarity = self.typed if arm == ARMS[0] else self.normal
        return self.same_character and similarity > floor and not (arm == ARMS[2] and self.rule)

    def right(self, arm: str) -> bool:
        return self.record_served(arm) == self.pair.should_hit


def judge(pairs: Sequence[Pair], encode: Encode) -> list[Judged]:
    return [_judged(pair, encode) for pair in pairs]


def _judged(pair: Pair, encode: Encode) -> Judged:
    one, other = asked(pair.asked), asked(pair.made)
    texts = (one.intent.positive, other.intent.positive)
    typed, normal = encode(texts), encode([embedded_text(text) for text in texts])
    return Judged(
        pair,
        one.character == other.character,
        float(np.dot(typed[0], typed[1])),
        float(np.dot(normal[0], normal[1])),
        conflict(one.intent, other.intent) or ("notes" if one.notes != other.notes else None),
    )


def shares(judged: Sequence[Judged], arm: str, floor: float = FLOOR) -> tuple[Share, Share]:
    """Hits among the pairs that should hit, and among those that must not."""
    hits = Share.count(each.record_served(arm, floor) for each in judged if each.pair.should_hit)
    return hits, Share.count(each.record_served(arm, floor) for each in judged if not each.pair.should_hit)
