"""Triton starts with our own Python inside, whatever else is found on PATH."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from embedded.part import PartError
from embedded.stub_python import LIBRARY, library_folders, link_python
from frontend.settings import ROOT
from tests.embedded import moved_python

moved = pytest.mark.skipif(not moved_python.CAN_BE_MOVED, reason="this Python cannot be moved")


@pytest.fixture(scope="module")
def pythons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one Python as uv installs it."""
    folder = tmp_path_factory.mktemp("pythons")
    moved_python.install(folder)
    return folder


def path_of_cron(folder: Path) -> str:
    return "/usr/bin:/bin"


def path_with_another_python(folder: Path) -> str:
    """One that brings a standard library of the same version, which is not ours."""
    library = folder / "lib" / moved_python.NAME
    (library / "lib-dynload").mkdir(parents=True)
    (library / "os.py").write_text("raise RuntimeError('the wrong standard library')\n")
    (folder / "bin").mkdir()
    shutil.copy(shutil.which("true") or "/bin/true", folder / "bin" / "python3")
    return f"{folder / 'bin'}:/usr/bin:/bin"


def path_without_anything(folder: Path) -> str:
    return str(folder)


STARTS = [
    (path_of_cron, "as of uv"),
    (path_without_anything, "as of uv"),
    (path_with_another_python, "as of uv"),
    (path_with_another_python, "without a python3"),
]


@moved
@pytest.mark.triton
@pytest.mark.parametrize(("path_of", "layout"), STARTS)
def test_triton_starts_with_our_own_python_inside(
    pythons: Path, tmp_path: Path, path_of: Callable[[Path], str], layout: str
) -> None:
    (home,) = pythons.iterdir()
    python = moved_python.make_environment(tmp_path / "venv", pythons)
    if layout == "without a python3":  # as of `make altinstall`
        (home / "bin" / "python3").unlink()
    (tmp_path / "other").mkdir()
    done = subprocess.run(
        [str(python), "-m", "tests.embedded.start_triton", str(tmp_path / "data")],
        env={"PATH": path_of(tmp_path / "other")},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    loaded = done.stdout.splitlines()
    assert str(home / "lib" / LIBRARY) in loaded
    assert [path for path in loaded if not path.startswith(f"{home}/")] == []


def test_python_without_a_library_is_refused_in_one_line_that_says_what_to_do() -> None:
    with pytest.raises(PartError, match=r"has no libpython3\.99\.so\.1\.0: make \.venv with") as refused:
        library_folders("libpython3.99.so.1.0")
    assert "\n" not in str(refused.value)


def test_link_to_an_older_python_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "python3").symlink_to("/nonexistent")
    link_python(tmp_path)
    python = (tmp_path / "python3").resolve()
    assert python.is_relative_to(Path(sys.base_prefix).resolve())
