"""Adding a model family touches the files of the family alone: a row and a module (docs/families.md)."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.export.families.trio import MODULE, POOLED, ROOT, ROW, WIDTHS

COPIED = ("contract", "export", "frontend/common", "model_repository/text_to_image")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trio")


@pytest.fixture(scope="module")
def shown(folder: Path) -> dict[str, Any]:
    """What trio.py shows, run on a copy of the code to which nothing but the family was added."""
    code = folder / "code"
    for name in COPIED:
        shutil.copytree(ROOT / name, code / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "frontend" / "__init__.py", code / "frontend")
    with (code / "contract" / "families.py").open("a") as file:
        file.write(ROW)
    (code / "export" / "families" / "trio.py").write_text(MODULE)
    path = [code, code / "model_repository" / "text_to_image" / "1", ROOT]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tests.export.families.trio", str(folder)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_pipeline_draws_with_three_encoders_and_no_time_ids(shown: dict[str, Any]) -> None:
    tokens = ["tokens", "tokens_2", "tokens_3"]
    assert sorted(shown["given"]["eros-text-encoder"]) == tokens
    denoiser = shown["given"]["eros-denoiser"]
    assert denoiser["pooled"] == denoiser["negative_pooled"] == [1, sum(POOLED)]
    assert denoiser["embeddings"] == [1, 77, sum(WIDTHS)]
    assert "time_ids" not in denoiser
    assert shown["shape"] == [64, 96, 3] and shown["prompt_matters"]


def test_torch_draws_the_same(shown: dict[str, Any], folder: Path) -> None:
    for name in ("eros", "eros-denoiser--aya"):
        report = json.loads((folder / "models" / ".reports" / name / "report.json").read_text())
        assert report["passed"] and len(report["pictures"]) == 4


def test_config_and_description_say_what_the_row_says(shown: dict[str, Any], folder: Path) -> None:
    config = (folder / "models" / "eros-text-encoder" / "config.pbtxt").read_text()
    assert config.count("TYPE_INT64") == 3 and f"dims: [ {sum(POOLED)} ]" in config
    description = json.loads((folder / "models" / "eros-denoiser" / "pipeline.json").read_text())
    assert description["family"] == "trio"
    assert len({description[f"pad_token{number}"] for number in ("", "_2", "_3")}) == 3


def test_character_changes_the_third_encoder(shown: dict[str, Any]) -> None:
    assert "eros-text-encoder--aya" in shown["of_character"]
    assert shown["character_matters"]


def test_restored_checkpoint_is_exported_again_the_same(shown: dict[str, Any], folder: Path) -> None:
    for part in ("text-encoder", "denoiser", "decoder"):
        one, two = (folder / place / f"eros-{part}" / "1" / "model.onnx" for place in ("models", "again"))
        assert one.read_bytes() == two.read_bytes()
