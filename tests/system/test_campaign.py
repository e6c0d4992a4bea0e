"""A small campaign, with pictures in a bucket; `make campaign` runs large ones."""

from pathlib import Path

from tests.campaign.run import campaign

JOBS = 10


async def test_nothing_is_lost_drawn_twice_or_shown_unreviewed(tmp_path: Path) -> None:
    outcome = await campaign(tmp_path, JOBS, seed=8)
    assert outcome.findings.good, outcome.findings.problems
    assert outcome.findings.accepted == JOBS
