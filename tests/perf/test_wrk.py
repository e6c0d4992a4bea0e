import pytest

from perf.wrk import HttpLoad, WrkError, parse

LINE = '{"requests":3000,"microseconds":1500000,"p50_us":2500,"p99_us":9000,"failed":%d}'


def test_last_line_is_the_figures() -> None:
    assert parse(["Running 2s test", LINE % 0]) == HttpLoad(3000, 2000.0, 2.5, 9.0)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "ended without a word"),
        (["unable to connect to 127.0.0.1:1"], "unable to connect"),
        ([LINE % 7], "7 of 3000 requests failed"),
        (['{"requests":0,"microseconds":1,"p50_us":0,"p99_us":0,"failed":0}'], "0 of 0 requests failed"),
    ],
)
def test_run_without_clean_figures_is_an_error(lines: list[str], said: str) -> None:
    with pytest.raises(WrkError, match=said):
        parse(lines)
