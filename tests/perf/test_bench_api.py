import pytest

from perf.bench_api import WrkRun, check_same, summarise
from perf.wrk import HttpLoad, WrkError


def runs(*rates: float) -> list[WrkRun]:
    return [WrkRun(HttpLoad(int(rate), rate, 1.0, 2.0), 50.0) for rate in rates]


def test_ratios_are_taken_within_a_round() -> None:
    """A slow moment of the machine that hits both sides of one round leaves no trace."""
    figures = summarise(
        {
            "models": runs(600, 60, 660),
            "bare models": runs(1000, 100, 1000),
            "status": runs(400, 40, 400),
            "bare status": runs(1000, 100, 1000),
            "fastapi status": runs(200, 20, 200),
            "cache hit": runs(150, 15, 165),
        }
    )
    assert figures["models_vs_bare"] == 0.6
    assert figures["status_vs_bare"] == 0.4
    assert figures["status_vs_fastapi"] == 2.0
    assert figures["hit_vs_models"] == 0.25
    assert figures["requests_per_s"]["models"] == 600


def test_absent_contender_is_named_and_has_no_ratio() -> None:
    names = ("models", "bare models", "status", "bare status", "cache hit")
    figures = summarise({name: runs(100, 100) for name in names})
    assert figures["left_out"] == ["fastapi status"]
    assert "status_vs_fastapi" not in figures


def test_answers_may_differ_in_expiry_and_signature_only() -> None:
    check_same(b'{"url":"/a?expires=1&signature=ab"}', b'{"url":"/a?expires=2&signature=cd"}')
    with pytest.raises(WrkError):
        check_same(b'{"url":"/a?expires=1"}', b'{"url":"/b?expires=1"}')
    with pytest.raises(WrkError, match="differently \\(seed, style\\)"):
        check_same(b'{"meta":{"id":1,"seed":1}}', b'{"meta":{"id":1,"seed":2,"style":"neon"}}')
