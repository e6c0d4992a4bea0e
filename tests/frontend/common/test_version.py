"""A version is told with its revision where that is known, and never with a stranger's."""

import re
import runpy
import shutil
import subprocess
from pathlib import Path

from frontend.common import version
from frontend.settings import ROOT


def told(root: Path) -> str:
    """What a copy of the module says of itself below `root`."""
    module = root / "frontend" / "common" / "version.py"
    module.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(version.__file__, module)
    return str(runpy.run_path(str(module))["version_and_revision"]())


def repository(folder: Path) -> str:
    """Makes a repository of one commit. Its revision."""
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    (folder / "file").write_text("a")
    subprocess.run([*git, "add", "file"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message", "a"], check=True)
    command = [*git, "rev-parse", "--short=12", "HEAD"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_checkout_asks_git_and_says_whether_files_were_changed(tmp_path: Path) -> None:
    revision = repository(tmp_path)
    assert told(tmp_path) == f"{version.__version__} ({revision})"
    (tmp_path / "file").write_text("b")
    assert told(tmp_path) == f"{version.__version__} ({revision}-dirty)"


def test_recorded_revision_is_told_without_git(tmp_path: Path) -> None:
    (tmp_path / "frontend" / "common").mkdir(parents=True)
    (tmp_path / "frontend" / "common" / "revision.txt").write_text("1a2b3c\n")
    assert told(tmp_path) == f"{version.__version__} (1a2b3c)"


def test_repository_of_another_around_an_installed_imgen_is_not_asked(tmp_path: Path) -> None:
    repository(tmp_path)
    assert told(tmp_path / "site-packages" / "imgen") == version.__version__


def test_broken_repository_leaves_the_version_alone(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: nowhere\n")
    assert told(tmp_path) == version.__version__


def test_version_stands_in_one_file() -> None:
    written = re.compile(r"^(__version__|version) *= *[\"']", re.MULTILINE)
    folders = ("acs", "cli", "embedded", "export", "frontend", "llm")
    files = [ROOT / "pyproject.toml", *(path for name in folders for path in (ROOT / name).rglob("*.py"))]
    assert [path for path in files if written.search(path.read_text())] == [Path(version.__file__)]
