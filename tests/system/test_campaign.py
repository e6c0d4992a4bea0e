"""A small campaign of random kills and stops; `make campaign` runs a large one."""

from pathlib import Path

from tests.campaign.run import campaign

JOBS = 24


async def test_nothing_is_lost_drawn_twice_or_shown_unreviewed(tmp_path: Path) -> None:
    outcome = await campaign(tmp_path, JOBS, seed=7)
    assert outcome.findings.good, outcome.findings
    assert outcome.findings.accepted == JOBS and outcome.faults.total() > 0
