import asyncio
import os
import stat
from pathlib import Path

import pytest

from embedded.logs import MAX_BYTES, MAX_LINE_CHARACTERS, cut, keep_bounded, last_error_line, open_log
from embedded.part import running
from tests.embedded.test_supervisor import sleeper


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_large_log_keeps_its_end_and_its_writer_goes_on(tmp_path: Path) -> None:
    log, older = tmp_path / "one.log", tmp_path / "one.log.1"
    with open_log(log) as output:
        output.write(b"old " * 100)
        output.flush()
        cut(tmp_path, limit=8)
        output.write(b"new")
    assert (log.read_bytes(), older.read_bytes()) == (b"new", b"old old ")
    assert mode(log) == mode(older) == 0o600
    with open_log(log) as output:
        output.write(b" and newer")
    cut(tmp_path, limit=8)
    assert (log.read_bytes(), older.read_bytes()) == (b"", b"nd newer")


def test_small_log_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "one.log").write_bytes(b"12345678")
    cut(tmp_path, limit=8)
    assert [path.name for path in tmp_path.iterdir()] == ["one.log"]


def test_log_whose_end_cannot_be_kept_is_emptied_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "one.log").write_bytes(b"x" * 9)
    (tmp_path / "one.log.1").mkdir()  # the rename fails, as on a full disk the writing would
    cut(tmp_path, limit=8)
    assert (tmp_path / "one.log").stat().st_size == 0


async def test_log_of_a_part_is_for_this_user_alone(tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    log.touch(mode=0o644)
    async with running(sleeper(tmp_path, "one"), tmp_path):
        assert mode(log) == 0o600


async def test_logs_are_cut_when_they_grow_later(tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    keeping = asyncio.create_task(keep_bounded(tmp_path))
    with open_log(log) as output:
        for _ in range(2):  # at the first look, and at a later one
            os.truncate(output.fileno(), MAX_BYTES + 1)
            async with asyncio.timeout(30):
                while log.stat().st_size:
                    await asyncio.sleep(0.05)
    keeping.cancel()
    assert (tmp_path / "one.log.1").stat().st_size == MAX_BYTES


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("one\nfailed to bind: in use\nwaiting\n", "failed to bind: in use"),
        ("Error: first\nRuntimeError: second\ngoodbye\n\n", "RuntimeError: second"),
        ("one\ntwo\n\n", "two"),
        ("\x1b[31merror\x07 " + "x" * 1000, ("[31merror " + "x" * 1000)[:MAX_LINE_CHARACTERS]),
        ("", ""),
    ],
)
def test_last_error_line_of_a_log(tmp_path: Path, text: str, said: str) -> None:
    log = tmp_path / "one.log"
    log.write_text(text)
    assert last_error_line(log) == said


def test_last_error_line_of_a_log_that_is_not_there(tmp_path: Path) -> None:
    assert last_error_line(tmp_path / "none.log") == ""
