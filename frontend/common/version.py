"""Which imgen this is. `__version__` stands here alone: packages, answers and credentials read it."""

import subprocess
from pathlib import Path

__version__ = "0.1.0"
ROOT = Path(__file__).resolve().parents[2]
REVISION = Path(__file__).with_name("revision.txt")  # written when a wheel or an image is built


def version_and_revision() -> str:
    """`0.1.0 (1a2b3c4d5e6f)`, `0.1.0 (1a2b3c4d5e6f-dirty)` of changed files, `0.1.0` if it is not known."""
    known = revision()
    return f"{__version__} ({known})" if known else __version__


def revision() -> str:
    """The git revision that this was made of; empty: not known."""
    if REVISION.is_file():
        return REVISION.read_text().strip()
    if not (ROOT / ".git").exists():  # a repository that we happen to lie in would answer for itself
        return ""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
