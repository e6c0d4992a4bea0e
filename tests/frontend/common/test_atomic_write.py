import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from frontend.common.atomic_write import atomic_file, atomic_write

OLD, NEW = b"old" * 100, b"new" * 1_000_000


def test_new_file_lies_in_new_folders_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "secret"
    atomic_write(path, b"x", mode=0o600)
    assert path.read_bytes() == b"x"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_body_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    atomic_write(path, OLD)
    with pytest.raises(ZeroDivisionError), atomic_file(path) as file:
        file.write(NEW * (1 // 0))
    assert path.read_bytes() == OLD
    assert os.listdir(tmp_path) == ["file"]


def test_without_replace_the_first_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "key"
    atomic_write(path, b"first", replace=False)
    atomic_write(path, b"second", replace=False)
    assert path.read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["key"]


def test_the_draft_lies_where_it_is_told_to(tmp_path: Path) -> None:
    drafts, path = tmp_path / "drafts", tmp_path / "folder" / "file"
    drafts.mkdir()
    with atomic_file(path, beside=drafts) as file:
        file.write(NEW)
        assert len(os.listdir(drafts)) == 1
        assert os.listdir(path.parent) == []
    assert path.read_bytes() == NEW
    assert os.listdir(drafts) == []


def test_a_name_as_long_as_the_file_system_takes(tmp_path: Path) -> None:
    atomic_write(tmp_path / ("n" * 255), NEW)
    assert (tmp_path / ("n" * 255)).read_bytes() == NEW


def _write_for_ever(path: Path) -> None:
    while True:
        atomic_write(path, NEW)
        atomic_write(path, OLD)


def test_a_writer_that_is_killed_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    atomic_write(path, OLD)
    for _ in range(10):
        writer = multiprocessing.get_context("fork").Process(target=_write_for_ever, args=(path,))
        writer.start()
        seen = path.stat().st_ino
        while path.stat().st_ino == seen:  # until it has written once
            pass
        assert writer.pid
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        assert path.read_bytes() in (OLD, NEW)
