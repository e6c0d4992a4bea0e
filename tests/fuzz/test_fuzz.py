"""A minute of `make fuzz`: nothing but answers, refusals and limits; the server's memory stays as it was."""

from dataclasses import replace

import pytest

from frontend.cells.limits import LimitKind
from frontend.services import CELL_LIMITS
from tests.fuzz.mutation import changed, corpus
from tests.fuzz.run import Target, fuzz
from tests.fuzz.server_targets import SLOW_PICTURES, server_targets

MAX_GROWTH_MB = 50
OUTCOMES = {"read", "refused", *LimitKind}
FILES = {"json": 2000, "prompts": 1000, "pictures": 1500, "marks": 1000, "manifests": 1000}


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_changed_files_are_read_refused_or_ended(name: str) -> None:
    with server_targets() as targets:
        target = next(target for target in targets if target.name == name)
        report = fuzz(target, FILES[name])
    assert report.findings == []
    assert report.growth_mb < MAX_GROWTH_MB
    assert report.outcomes["read"] > 10 and report.outcomes["refused"] > 10
    assert set(report.outcomes) <= OUTCOMES


def test_each_slow_picture_is_ended_by_its_cells_own_limit() -> None:
    """A smaller one than the server's, so that no machine is too fast for it."""
    with server_targets(replace(CELL_LIMITS, cpu_s=0.3, wall_s=60)) as targets:
        pictures = next(target for target in targets if target.name == "pictures")
        assert [pictures.read(slow) for slow in SLOW_PICTURES] == [LimitKind.CPU] * len(SLOW_PICTURES)


def test_what_is_found_is_told_and_made_again_by_its_number() -> None:
    """The fuzzing itself: a reader with a fault."""

    def read(data: bytes) -> str:
        if len(data) < 20:
            raise KeyError(len(data))
        return "read"

    report = fuzz(Target("prompts", lambda data: read(data + b" " * (data in seeds) * 20)), 300)
    assert report.found == report.outcomes["found"] > 0
    number = int(report.findings[0].split()[1].rstrip(":"))
    assert len(changed(seeds, "prompts", number)) < 20
    assert report.findings[0].endswith(f"KeyError({len(changed(seeds, 'prompts', number))})")


seeds = corpus("prompts")
