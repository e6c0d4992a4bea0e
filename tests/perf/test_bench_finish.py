"""The bare calls make what finishing makes, and a held loop is seen."""

import asyncio
import time
from pathlib import Path

import pytest

from frontend.invisible_mark.codes import Codes
from perf.bench_finish import CASES
from perf.finish_parts import check_same, parts, scene
from perf.loop_watch import Lateness, watched


def test_bare_calls_make_what_finishing_makes_and_anything_else_is_refused(tmp_path: Path) -> None:
    pixels = scene()
    made = {stage: call() for stage, call in parts(pixels, Codes.of(b"k" * 32), tmp_path).items()}
    assert list(made) == ["mark", "invisible_mark", "fingerprint", "encode", "sign", "thumbnail"]
    check_same(made, pixels)
    with pytest.raises(SystemExit, match=r"different things: mark, encode$"):
        check_same({**made, "mark": pixels, "encode": b"jpeg"}, pixels)


def test_every_format_is_measured() -> None:
    assert list(CASES) == ["jpeg", "png", "webp", "webp lossless", "avif", "avif lossless"]


async def test_held_loop_is_seen() -> None:
    async def hold() -> str:
        await asyncio.sleep(0.01)
        spin_until = time.thread_time() + 0.05
        while time.thread_time() < spin_until:
            pass
        return "done"

    result, late = await watched(hold())
    assert result == "done"
    assert len(late.whole) == len(late.held)
    assert max(late.whole) >= 49 <= max(late.held)


@pytest.mark.parametrize("more", [Lateness(), Lateness([9.0], [3.0])])
def test_spread_is_of_all_turns(more: Lateness) -> None:
    both = Lateness([1.0, 2.0, 3.0], [0.0, 0.0, 1.0]) + more
    assert both.spread()[2::3] == [max(both.whole), max(both.held)]
