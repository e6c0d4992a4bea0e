import numpy as np
import pytest

from frontend.settings import Settings
from perf.bench_picture import TimedPair, check_alike, order, summarise
from perf.system import BenchError, Drawn

TIMINGS = {"queue": 5.0, "encode": 15.0, "denoise": 900.0, "decode": 100.0, "finish": 200.0, "review": 300.0}
BARE = {"encode": 10.0, "denoise": 850.0, "decode": 140.0, "jpeg": 20.0}


def test_bare_loop_is_told_what_the_worker_tells_triton() -> None:
    told = order({"prompt": "@aya, a lake, -rain", "seed": 7, "style": "neon"}, Settings())
    assert (told.character, told.seed, told.width, told.height) == ("aya", 7, 1344, 768)
    assert "a lake" in told.prompt and "neon" in told.prompt
    assert "rain" in told.negative


def test_marks_are_no_other_picture_but_another_picture_or_size_is() -> None:
    grey = np.full((8, 8, 3), 128, np.uint8)
    check_alike(grey, grey + 4)
    for other in (grey + 5, grey[:4]):
        with pytest.raises(BenchError):
            check_alike(grey, other)


def test_finishing_and_review_are_no_part_of_drawing() -> None:
    figures = summarise([TimedPair(Drawn({"timings": TIMINGS}, seconds=1.55), BARE)])
    assert figures["overhead"] == 0.05  # 1550 - 200 - 300 over 1000
    assert figures["overhead_whole"] == 0.52  # 1550 over 1020
    assert figures["api_ms"]["rest"] == 30.0
    assert (figures["seconds"], figures["bare_seconds"]) == (1.55, 1.02)
    assert "vs_before" not in figures


def test_another_checkout_is_compared_round_by_round() -> None:
    slow = {**TIMINGS, "denoise": 2000.0}
    pairs = [
        TimedPair(Drawn({"timings": TIMINGS}, seconds), BARE, before=Drawn({"timings": slow}, before))
        for seconds, before in ((1.55, 3.1), (1.65, 6.6), (1.6, 4.0))
    ]
    figures = summarise(pairs)
    assert (figures["vs_before"], figures["before_seconds"]) == (0.4, 4.0)
    assert figures["before_ms"]["denoise"] == 2000.0
