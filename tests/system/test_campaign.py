"""Small campaigns, one for each kind of store; `make campaign` runs large ones."""

from pathlib import Path

import pytest

from tests.campaign.run import campaign

JOBS = 12


@pytest.mark.parametrize("seed", [7, 8])
async def test_nothing_is_lost_drawn_twice_or_shown_unreviewed(tmp_path: Path, seed: int) -> None:
    outcome = await campaign(tmp_path, JOBS, seed)
    assert outcome.findings.good, outcome.findings.problems
    assert outcome.findings.accepted == JOBS
