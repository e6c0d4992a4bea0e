import pytest

from frontend.jobs.store import WEBHOOK_KEEP_S
from frontend.webhooks.backoff import Backoff

BACKOFF = Backoff(first_s=5.0)


@pytest.mark.parametrize(("tries", "middle"), [(1, 5.0), (2, 10.0), (5, 80.0), (8, 600.0), (10_000, 600.0)])
def test_waits_grow_to_a_bound_and_are_scattered(tries: int, middle: float) -> None:
    waits = {BACKOFF.wait_s(tries) for _ in range(100)}
    assert len(waits) > 50
    assert 0.75 * middle <= min(waits) < middle < max(waits) <= 1.25 * middle


def test_job_outlives_the_attempts_to_tell_its_end() -> None:
    assert WEBHOOK_KEEP_S > BACKOFF.within_s
