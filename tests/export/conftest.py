"""These tests run in export's own environment, which has torch; in the others they are not collected."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from export.checkpoints.checkpoint import Checkpoint

collect_ignore_glob = [] if find_spec("torch") else ["test_*.py", "*/test_*.py"]


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with flow prediction."""
    from tests.export.tiny import save_tiny

    return save_tiny(tmp_path_factory.mktemp("checkpoint") / "tiny")


@pytest.fixture(scope="session")
def tiny(tiny_folder: Path) -> "Checkpoint":
    from export.checkpoints.checkpoint import open_checkpoint

    return open_checkpoint(tiny_folder)


@pytest.fixture(scope="session")
def repository(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny checkpoint as the model eros, weights stored as fp32; not to be written to."""
    from export.model import ExportOptions, export_checkpoint

    folder = tmp_path_factory.mktemp("repository")
    export_checkpoint(tiny_folder, "eros", folder, ExportOptions(storage="fp32"))
    return folder
