"""A part of `make fuzz`: files of weights."""

from pathlib import Path

from tests.fuzz.run import fuzz
from tests.fuzz.safetensors_target import safetensors_target


def test_changed_weights_are_read_or_refused_in_one_line(tmp_path: Path) -> None:
    report = fuzz(safetensors_target(tmp_path), 2000)
    assert report.findings == []
    assert report.growth_mb < 50
    assert set(report.outcomes) == {"read", "refused"}
    assert min(report.outcomes.values()) > 10
