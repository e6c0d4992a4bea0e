from perf.bench_memory import summarise, unique


def test_growth_counts_processes_that_were_there_both_times() -> None:
    figures = summarise(
        {"redis": 10.0, "triton": 100.0, "gone": 5.0}, {"redis": 11.0, "triton": 99.0, "new": 7.0}
    )
    assert figures == {
        "largest_growth": 1.1,
        "total_growth": 1.0,
        "growth": {"redis": 1.1, "triton": 0.99},
        "early_mib": {"redis": 10.0, "triton": 100.0},
        "late_mib": {"redis": 11.0, "triton": 99.0},
    }


def test_processes_of_one_name_are_told_apart() -> None:
    assert unique("stub", {}) == "stub"
    assert unique("stub", {"stub": 1.0}) == "stub (2)"
