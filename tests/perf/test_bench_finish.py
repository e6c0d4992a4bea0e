"""The bare calls make what finishing makes, and a held loop and a halted processor are seen."""

import asyncio
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from frontend.invisible_mark.codes import Codes
from perf.bench_finish import CASES
from perf.finish_parts import check_same, parts, scene
from perf.loop_watch import Lateness, watched
from perf.stall_watch import Stalls, stall_watch


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


def test_time_in_which_the_host_had_the_processor_is_not_held() -> None:
    stalls = Stalls([(10.002, 10.006), (10.003, 10.007), (11.0, 12.0)])
    late = Lateness([8.0, 1.0, 3.0], [7.5, 1.0, 3.0], [10.008, 10.5, 11.5]).without(stalls)
    assert late.held == pytest.approx([2.5, 1.0, 0.0])
    assert late.whole == [8.0, 1.0, 3.0]


def test_halted_processor_is_seen() -> None:
    """A watcher that is stopped looks like one whose processor stands still: it is not ready to run."""
    began = time.perf_counter()
    with stall_watch() as stalls:
        watchers = _ticking()
        for watcher in watchers:
            os.kill(watcher, signal.SIGSTOP)
        stopped = time.perf_counter()
        while time.perf_counter() < stopped + 0.1:
            pass
        for watcher in watchers:
            os.kill(watcher, signal.SIGCONT)
        resumed = time.perf_counter()
    assert stalls.within(stopped, resumed) > 0.08
    assert stalls.within(began - 1, began) == 0


def _ticking() -> list[int]:
    """The process ids of the watchers, once they have ticked."""
    task = Path(f"/proc/self/task/{threading.get_native_id()}/children")
    while True:
        found = [int(child) for child in task.read_text().split()]
        switches = [Path(f"/proc/{child}/schedstat").read_text().split()[2] for child in found]
        if found and all(int(count) > 100 for count in switches):
            return found
