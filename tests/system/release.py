"""The last release of this project, from its own history: the server that an upgrade takes the place of."""

import re
import subprocess
from pathlib import Path

import pytest

from frontend.settings import ROOT

RELEASE = re.compile(r"^## (\d+\.\d+\.\d+) — \d{4}-\d\d-\d\d, commit ([0-9a-f]{40})$", re.MULTILINE)


def last_release(folder: Path) -> Path:
    """Its files, unpacked. Skips where the history is not here (a shallow clone, an unpacked archive)."""
    found = RELEASE.search((ROOT / "CHANGELOG.md").read_text())
    assert found, "CHANGELOG.md names no release with its commit"
    archive = folder / "release.tar"
    made = subprocess.run(
        ("git", "-C", str(ROOT), "archive", "--output", str(archive), found[2]),
        stderr=subprocess.PIPE,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"the history has no commit {found[2][:12]}: git fetch --unshallow")
    target = folder / f"release-{found[1]}"
    target.mkdir()
    subprocess.run(("tar", "-xf", str(archive), "-C", str(target)), check=True)
    archive.unlink()
    return target
