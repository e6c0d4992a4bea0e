"""`lock.py --check` on a copy of the locks, without a network."""

import hashlib
import shutil
import subprocess
import sys
import zipfile
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


def wheel(folder: Path, name: str) -> str:
    """A package without anything in it; its SHA-256."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    about = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("right", [True, False])
def test_file_that_is_not_the_locks_is_not_installed_even_beside_a_package_without_a_hash(
    tmp_path: Path, right: bool
) -> None:
    """As in the exporter's lock, where torch has none."""
    known = wheel(tmp_path, "harbour") if right else "0" * 64
    wheel(tmp_path, "harbour")
    wheel(tmp_path, "lighthouse")
    lock = tmp_path / "lock.txt"
    lock.write_text(f"harbour==1.0 \\\n    --hash=sha256:{known}\nlighthouse==1.0\n")
    command = [f"{sys.prefix}/bin/uv", "pip", "install", "--offline", "--no-index", "--no-cache"]
    places = ["--find-links", str(tmp_path), "--target", str(tmp_path / "site"), "--python", sys.executable]
    done = subprocess.run([*command, *places, "-r", str(lock)], capture_output=True, text=True, timeout=60)
    assert (done.returncode == 0) is right, done.stderr
    assert ("hash" in done.stderr.lower()) is not right
    assert (tmp_path / "site" / "harbour-1.0.dist-info").exists() is right
