"""What the reviewer says, and how long clients wait for it."""

import time
from collections import OrderedDict

from prometheus_client import Counter, Histogram

from frontend.domain.verdict import Verdict

MAX_SEEN = 10_000  # pictures without a verdict; the one that was seen first is forgotten first
REVIEWS = Counter(
    "imgen_reviews",
    "Reviews by outcome: safe, unsafe, or none for want of a verdict",
    ["outcome"],
)
SECONDS = Histogram(
    "imgen_review_seconds",
    "Time of a review that ended with a verdict",
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
VERDICT_SECONDS = Histogram(
    "imgen_poll_to_verdict_seconds",
    "Time from the first poll of a made picture to its stored verdict, reviews without one included",
    buckets=(0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300),
)
for _outcome in ("safe", "unsafe", "none"):
    REVIEWS.labels(_outcome)


def observe_review(verdict: Verdict | None) -> None:
    REVIEWS.labels(verdict.compliance if verdict else "none").inc()
    if verdict:
        SECONDS.observe(verdict.took_ms / 1000)


class FirstSeen:
    """When this server was first asked for a picture that has no verdict yet."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, float] = OrderedDict()

    def note(self, job_id: str) -> None:
        self._seen.setdefault(job_id, time.monotonic())
        if len(self._seen) > MAX_SEEN:
            self._seen.popitem(last=False)

    def settle(self, job_id: str) -> None:
        if (began := self._seen.pop(job_id, None)) is not None:
            VERDICT_SECONDS.observe(time.monotonic() - began)
