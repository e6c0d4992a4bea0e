from perf.bench_picture import Pair, summarise
from perf.system import Drawn

TIMINGS = {"queue": 5.0, "encode": 15.0, "denoise": 900.0, "decode": 100.0, "finish": 200.0, "review": 300.0}
BARE = {"encode": 10.0, "denoise": 850.0, "decode": 140.0, "jpeg": 20.0}


def test_finishing_and_review_are_no_part_of_drawing() -> None:
    figures = summarise([Pair(Drawn({"timings": TIMINGS}, seconds=1.55), BARE)])
    assert figures["overhead"] == 0.05  # 1550 - 200 - 300 over 1000
    assert figures["overhead_whole"] == 0.52  # 1550 over 1020
    assert figures["api_ms"]["rest"] == 30.0
    assert (figures["seconds"], figures["bare_seconds"]) == (1.55, 1.02)
