import pytest

from perf.analyzer import AnalyzerError, AnalyzerLoad, parse

COLUMNS = "Concurrency,Inferences/Second,Client Send,p50 latency,p90 latency,p95 latency,p99 latency"


def test_microseconds_become_milliseconds() -> None:
    assert parse(f"{COLUMNS}\n2,3.49,0,554263,588411,596900,864999\n") == AnalyzerLoad(3.49, 554.263, 588.411)


@pytest.mark.parametrize("report", ["", COLUMNS, f"{COLUMNS}\n2,none,0,1,1,1,1", "Concurrency\n2"])
def test_report_without_figures_is_an_error(report: str) -> None:
    with pytest.raises(AnalyzerError):
        parse(report)
