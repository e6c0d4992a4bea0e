"""SD 3.5 at tiny size in each kind of engine."""

import json
from pathlib import Path
from typing import Any

import pytest

from contract.parts import ModelPart
from contract.sizes import SIZES
from export.checkpoints.checkpoint import open_checkpoint
from export.checkpoints.tokenizer import open_tokenizers
from export.engines.recipe import EngineOptions
from export.model import ExportOptions, export_checkpoint
from export.parity.comparison import compare
from tests.export.families.tiny_sd3 import save_tiny_sd3
from tests.export.parity.test_runtimes import LIMIT, PRECISIONS, OpenVinoRunner

PARTS = ("text-encoder", "text-encoder-t5", "denoiser", "decoder")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_sd3(tmp_path_factory.mktemp("sd3") / "checkpoint")


def report_of(models: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((models / ".reports" / "eros" / "report.json").read_text())
    return found


@pytest.mark.parametrize("precision", PRECISIONS)
def test_openvino_draws_torchs_pictures(folder: Path, tmp_path: Path, precision: str) -> None:
    export_checkpoint(folder, "eros", tmp_path / "models", ExportOptions(storage="fp32"))
    checkpoint = open_checkpoint(folder)

    def make_runner(part_folder: Path, part: ModelPart) -> OpenVinoRunner:
        return OpenVinoRunner(part_folder, precision)

    parts = {part: tmp_path / "models" / f"eros-{part}" for part in PARTS}
    tokenizers = open_tokenizers(checkpoint)
    report = compare(parts, checkpoint, tokenizers, LIMIT[precision], tmp_path, make_runner=make_runner)
    assert report.failure is None and report.parts.keys() == set(PARTS)


def test_packages_draw_torchs_pictures(folder: Path, tmp_path: Path) -> None:
    options = ExportOptions(engine="inductor", engine_options=EngineOptions(batch=2))
    export_checkpoint(folder, "eros", tmp_path, options)
    report = report_of(tmp_path)
    assert report["passed"] and set(report["parts"]) == set(PARTS) and not report["remarks"]
    axes = json.loads((tmp_path / "eros-denoiser" / "package.json").read_text())["axes"]
    assert axes["tokens"] == {"least": 333, "most": 1332, "step": 1}


def test_plans_are_built_of_every_part_and_t5_computes_in_bfloat16(folder: Path, tmp_path: Path) -> None:
    sizes = EngineOptions(sizes=SIZES[:1], batch=1, workspace_mb=512)
    options = ExportOptions(engine="tensorrt", precision="fp16", engine_options=sizes)
    export_checkpoint(folder, "eros", tmp_path, options)
    for part in PARTS:
        assert (tmp_path / f"eros-{part}" / "1" / "model.plan").stat().st_size > 1000
    recipe = json.loads((tmp_path / "eros-denoiser" / "plan.json").read_text())["recipe"]
    assert recipe["profiles"][0]["embeddings"] == [[1, 333, 128], [1, 333, 128], [1, 1332, 128]]
    described = json.loads((tmp_path / "eros-denoiser" / "pipeline.json").read_text())
    assert described["max_windows"] == 4
    report = report_of(tmp_path)
    assert report["passed"]
    assert "text-encoder-t5 not run here: onnxruntime has no bfloat16" in report["remarks"]
    assert set(report["parts"]) == {*PARTS} - {"text-encoder-t5"} and len(report["pictures"]) == 4
