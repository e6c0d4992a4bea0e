"""`lock.py --check` on a copy of the locks, without a network."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def check(copy: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(copy / "requirements" / "lock.py"), "--check"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_locks_hold_what_pyproject_asks_for() -> None:
    assert (check(ROOT).returncode, check(ROOT).stderr) == (0, "")


def test_new_requirement_is_missed_in_each_lock_that_needs_it(copy: Path) -> None:
    change(copy / "pyproject.toml", '"uvloop>=', '"imaginary>=1",\n    "uvloop>=')
    done = check(copy)
    assert done.returncode == 1
    assert "requirements/frontend.txt has nothing for imaginary>=1" in done.stderr
    assert "requirements/dev.txt has nothing for imaginary>=1" in done.stderr


def test_version_below_a_raised_floor_is_told(copy: Path) -> None:
    change(copy / "pyproject.toml", '"pillow>=12.3"', '"pillow>=99"')
    assert "for pillow>=99" in check(copy).stderr


def test_package_without_its_hash_is_told(copy: Path) -> None:
    change(copy / "requirements" / "llm.txt", " \\\n    --hash=", "\n    # --hash=")
    assert "requirements/llm.txt has packages without a hash" in check(copy).stderr
