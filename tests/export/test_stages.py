"""What an export does again, and what it refuses to publish."""

import json
import subprocess
import sys
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto
from PIL import Image

from export.checkpoints.checkpoint import open_checkpoint
from export.checkpoints.restore import restore_checkpoint
from export.checkpoints.tokenizer import open_tokenizers
from export.engines.recipe import EngineOptions
from export.errors import ExportError
from export.model import ExportOptions, export_checkpoint
from export.networks.precision import LIMITS, Limit
from export.parity.comparison import ParityReport, compare
from tests.export.tiny import save_tiny, save_tiny_sd15

PARTS = ("decoder", "denoiser", "text-encoder")


def stamps(repository: Path) -> dict[str, int]:
    return {part: (repository / f"eros-{part}" / "1" / "model.onnx").stat().st_mtime_ns for part in PARTS}


def test_stage_is_done_again_only_when_what_it_reads_has_changed(tiny_folder: Path, tmp_path: Path) -> None:
    export_checkpoint(tiny_folder, "eros", tmp_path)
    first = stamps(tmp_path)
    export_checkpoint(tiny_folder, "eros", tmp_path)
    assert stamps(tmp_path) == first
    export_checkpoint(tiny_folder, "eros", tmp_path, ExportOptions(storage="fp32"))
    assert not set(stamps(tmp_path).values()) & set(first.values())
    assert not list(tmp_path.glob(".*.work"))


DIES = """
import os, sys
from pathlib import Path
from export import model

real = model._write_part

def dies(folder, network, *rest):
    if network.part.name == "denoiser":
        os._exit(9)
    real(folder, network, *rest)

model._write_part = dies
model.export_checkpoint(Path(sys.argv[1]), "eros", Path(sys.argv[2]))
"""


def test_killed_export_goes_on_where_it_was(tiny_folder: Path, tmp_path: Path) -> None:
    """The process ends without a word when it comes to the denoiser, as a kill would end it."""
    command = [sys.executable, "-c", DIES, str(tiny_folder), str(tmp_path)]
    assert subprocess.run(command, check=False, timeout=300).returncode == 9
    assert not list(tmp_path.glob("eros-*"))
    (encoder,) = tmp_path.glob(".eros.work/*/eros-text-encoder/1/model.onnx")
    made = encoder.stat().st_mtime_ns
    export_checkpoint(tiny_folder, "eros", tmp_path)
    assert stamps(tmp_path)["text-encoder"] == made


@pytest.mark.parametrize("prediction", ["flow", "epsilon", "v"])
@pytest.mark.parametrize("save", [save_tiny, save_tiny_sd15])
def test_report_tells_errors_and_shows_pictures(save, prediction: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    export_checkpoint(save(tmp_path / "tiny", prediction=prediction), "eros", tmp_path / "out")
    report = json.loads((tmp_path / "out" / ".reports" / "eros" / "report.json").read_text())
    assert report["passed"] and set(report["parts"]) == set(PARTS)
    assert len(report["pictures"]) == 4
    assert all(picture["psnr"] > LIMITS["fp32", "fp16"].psnr for picture in report["pictures"])
    with Image.open(tmp_path / "out" / ".reports" / "eros" / "1-256x256.png") as pair:
        assert pair.size == (512, 256)


def test_sd15_is_restored_and_exported_again_the_same(tmp_path: Path) -> None:
    export_checkpoint(save_tiny_sd15(tmp_path / "tiny"), "eros", tmp_path / "out")
    restored = restore_checkpoint(tmp_path / "out", "eros", tmp_path / "restored")
    export_checkpoint(restored, "eros", tmp_path / "again")
    for part in PARTS:
        one, two = (tmp_path / folder / f"eros-{part}" / "1" / "model.onnx" for folder in ("out", "again"))
        assert one.read_bytes() == two.read_bytes()


def test_half_precision_computes_in_half_and_draws_the_same(tiny_folder: Path, tmp_path: Path) -> None:
    export_checkpoint(tiny_folder, "eros", tmp_path, ExportOptions(precision="fp16"))
    report = json.loads((tmp_path / ".reports" / "eros" / "report.json").read_text())
    assert report["passed"] and report["parts"]["denoiser"]["mean"] > 1e-5
    kinds = {part: computed_in(tmp_path / f"eros-{part}") for part in PARTS}
    # The VAE says that it overflows in fp16 (force_upcast), so it stays in fp32.
    half, full = {TensorProto.FLOAT16}, {TensorProto.FLOAT}
    assert kinds == {"decoder": full, "denoiser": half, "text-encoder": half}


def computed_in(folder: Path) -> set[int]:
    """Types of the weights that multiplications read, without a cast in between."""
    graph = onnx.load(folder / "1" / "model.onnx").graph
    types = {tensor.name: tensor.data_type for tensor in graph.initializer if len(tensor.dims) > 1}
    read = {name for node in graph.node if node.op_type in ("MatMul", "Gemm", "Conv") for name in node.input}
    return {types[name] for name in read & types.keys()}


def test_bfloat16_plan_is_built_and_the_report_says_that_nothing_was_run(
    tiny_folder: Path, tmp_path: Path
) -> None:
    options = ExportOptions(
        precision="bf16", engine="tensorrt", engine_options=EngineOptions(sizes=[(1344, 768)], batch=1)
    )
    export_checkpoint(tiny_folder, "eros", tmp_path, options)
    report = json.loads((tmp_path / ".reports" / "eros" / "report.json").read_text())
    assert computed_in(tmp_path / "eros-denoiser") == {TensorProto.BFLOAT16}
    assert (tmp_path / "eros-denoiser" / "1" / "model.plan").stat().st_size > 0
    assert report["parts"] == {} and "not run here" in report["remarks"][0]


def test_bfloat16_is_refused_for_onnxruntime(tiny_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="cannot compute in bfloat16; take fp16"):
        export_checkpoint(tiny_folder, "eros", tmp_path, ExportOptions(precision="bf16"))


def test_engine_that_drifts_is_not_published_and_the_report_names_the_part(
    tiny_folder: Path, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LIMITS, ("fp32", "fp16"), Limit(mean=0.0, psnr=200))
    with pytest.raises(ExportError, match="does not draw as torch does: the text-encoder's mean error"):
        export_checkpoint(save_tiny_unrounded(tmp_path / "tiny"), "eros", tmp_path / "out")
    assert not list((tmp_path / "out").glob("eros-*"))
    assert not json.loads((tmp_path / "out" / ".reports" / "eros-failed" / "report.json").read_text())[
        "passed"
    ]


def save_tiny_unrounded(folder: Path) -> Path:
    """With weights that fp16 cannot hold exactly."""
    import torch
    from safetensors.torch import load_file, save_file

    save_tiny(folder)
    for path in folder.rglob("*.safetensors"):
        tensors = {name: value * 1.0001 for name, value in load_file(path).items()}
        save_file({name: value.to(torch.float32) for name, value in tensors.items()}, path, {"format": "pt"})
    return folder


def test_part_of_another_model_is_found_out(tiny_folder: Path, repository: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    export_checkpoint(save_tiny(tmp_path / "tiny", seed=1), "eros", other)
    parts = {part: repository / f"eros-{part}" for part in PARTS} | {"denoiser": other / "eros-denoiser"}
    (tmp_path / "report").mkdir()
    checkpoint = open_checkpoint(tiny_folder)
    report = compare(
        parts, checkpoint, open_tokenizers(checkpoint), LIMITS["fp32", "fp32"], tmp_path / "report"
    )
    assert report.failure is not None and report.failure.startswith("the denoiser's mean error")


def test_not_a_number_is_a_failure() -> None:
    from export.parity.comparison import PartDeviation

    report = ParityReport(Limit(mean=1, psnr=1), {"decoder": PartDeviation(float("nan"), float("nan"))})
    assert report.failure is not None


def test_sharded_weights_are_loaded(tiny_folder: Path, tmp_path: Path) -> None:
    import shutil

    folder = Path(shutil.copytree(tiny_folder, tmp_path / "sharded"))
    whole = open_checkpoint(tiny_folder).denoiser
    shutil.rmtree(folder / "unet")
    whole.save_pretrained(folder / "unet", max_shard_size="200KB")
    assert len(list((folder / "unet").glob("*-of-*.safetensors"))) > 1
    found = open_checkpoint(folder).denoiser.state_dict()
    assert all((found[name] == value).all() for name, value in whole.state_dict().items())
