"""Writing so that a reader sees the old folder or the whole new one, never a half: beside, then renamed."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def staging(parent: Path, name: str) -> Iterator[Path]:
    """An empty folder in `parent` (so on its file system), gone afterwards.

    A killed process leaves it behind: .{name}-….tmp, which git ignores and nothing here loads.
    """
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{name}-", suffix=".tmp", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(new: Path, target: Path) -> None:
    """Puts the folder `new`, which lies in a staging folder, in `target`'s place."""
    if target.exists():
        target.rename(new.with_name(f"{new.name}.old"))
    new.rename(target)
