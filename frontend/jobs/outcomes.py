"""How many jobs were accepted and how they ended, counted where a script's answer says so."""

from prometheus_client import Counter, Histogram

ACCEPTED = Counter(
    "imgen_jobs_accepted",
    "Jobs that this server accepted, by model, and source: drawn, or cache where that answered",
    ["model", "source"],
)
ENDED = Counter(
    "imgen_jobs_ended",
    "Ends of drawn jobs that this server saw, by outcome: completed, blocked, failed, unjudged (no verdict "
    "before the deadline), timed_out, cancelled",
    ["outcome"],
)
SCRIPT_SECONDS = Histogram(
    "imgen_redis_script_seconds",
    "Time until Redis answered a script, by its name",
    ["script"],
    buckets=(0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10),
)
OUTCOMES = ("completed", "blocked", "failed", "unjudged", "timed_out", "cancelled")
for _outcome in OUTCOMES:  # from 0 on: a rate of what was never seen before is none
    ENDED.labels(_outcome)


def count_accepted(model: str, source: str) -> None:
    for each in ("drawn", "cache"):
        ACCEPTED.labels(model, each)
    ACCEPTED.labels(model, source).inc()
