"""A process that writes snapshots is killed at any moment."""

import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from frontend.cache.index import snapshot
from frontend.cache.index.index import CacheIndex
from frontend.cache.index.limits import Limits
from tests.frontend.cache.index.items import DIMENSION, content, items

LIMITS = Limits(exact_below=40, tail=10, capacity=400, partition_capacity=400)
KILLS = 16
pytestmark = pytest.mark.slow


def killed_after(folder: Path, snapshots: int, delay_s: float) -> int:
    """The last position of which the process said that its snapshot is there."""
    command = [sys.executable, "-m", "tests.frontend.cache.index.snapshot_loop", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = [int(process.stdout.readline()) for _ in range(snapshots)]
    threading.Event().wait(delay_s)
    process.send_signal(signal.SIGKILL)
    said += [int(line) for line in process.stdout.read().splitlines()]
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    return said[-1]


@pytest.mark.parametrize("seed", range(KILLS))
def test_the_newest_snapshot_is_whole_after_a_kill(tmp_path: Path, seed: int) -> None:
    picks = random.Random(seed)
    said = killed_after(tmp_path, picks.randint(1, 4), picks.uniform(0, 0.03))
    read = snapshot.read(tmp_path, DIMENSION, LIMITS)
    assert read is not None
    position = int(read.state)
    assert position >= said  # what was said to be there is there
    expected = CacheIndex(DIMENSION, LIMITS)
    expected.add(items(range(position)))
    assert content(read.index) == content(expected)


def test_the_next_writer_clears_away_what_a_killed_one_left(tmp_path: Path) -> None:
    (tmp_path / "writing-left").mkdir()
    (tmp_path / "writing-left" / "1.rows").write_bytes(b"half")
    assert snapshot.write(tmp_path, CacheIndex(DIMENSION, LIMITS), b"") is not None
    assert not (tmp_path / "writing-left").exists()
