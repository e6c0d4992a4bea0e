import pytest

from perf.cache_quality.share import Share


@pytest.mark.parametrize(
    ("found", "of", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (1, 126, 0.0014, 0.0436)],
)
def test_interval_is_wilsons(found: int, of: int, low: float, high: float) -> None:
    """Figures of R's binom.wilson for the first three."""
    assert Share(found, of).interval == pytest.approx((low, high), abs=1e-4)


def test_share_of_nothing_is_not_known() -> None:
    nothing = Share.count([])
    assert (nothing.value, nothing.interval, str(nothing)) == (None, (0.0, 1.0), "–")


def test_share_shows_what_was_counted() -> None:
    assert str(Share.count([True, False, True, True])) == "3/4 75 % (30–95)"
