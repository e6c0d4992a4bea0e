import signal
import subprocess
import sys
from pathlib import Path

import pytest

from export.repository.staging import staging

WRITER = """
import sys
from pathlib import Path
from export.repository.staging import publish, staging
target = Path(sys.argv[1])
with staging(target.parent, target.name) as folder:
    (folder / "new").mkdir()
    (folder / "new" / "model.onnx").write_text("new")
    print("half", flush=True)
    sys.stdin.read()
    publish(folder / "new", target)
"""


def shown(folder: Path) -> dict[str, str]:
    """Without the writer's own folder, whose name starts with a dot."""
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and not path.relative_to(folder).parts[0].startswith(".")
    }


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.onnx").write_text("old")
    return tmp_path / "model"


def writer(target: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, target], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_writer_that_ends_well_replaces_the_old_folder(target: Path) -> None:
    with writer(target) as process:
        process.communicate()
    assert shown(target.parent) == {"model/model.onnx": "new"}
    assert [path.name for path in target.parent.iterdir()] == ["model"]


def test_killed_writer_leaves_the_old_folder_as_it_was(target: Path) -> None:
    with writer(target) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        process.send_signal(signal.SIGKILL)
    assert shown(target.parent) == {"model/model.onnx": "old"}


def write_to_full_disk(target: Path) -> None:
    with staging(target.parent, target.name) as folder:
        (folder / "new").mkdir()
        raise OSError("disk full")


def test_failing_writer_leaves_nothing(target: Path) -> None:
    with pytest.raises(OSError, match="disk full"):
        write_to_full_disk(target)
    assert [path.name for path in target.parent.iterdir()] == ["model"]
