"""What OpenVINO draws beside what torch draws in fp32: each part with torch's inputs, and whole pictures.

Limits are those that an export must keep for the same precision (export/networks/precision.py). In f32 sums
are taken in another order than torch's: 1e-4 of the values. In bf16 every input of a product is rounded to 8
bits, 0.2 % of its value at most and 0.1 % on the average; some 50 of them one after the other, whose errors
add up like a random walk, are about 1 %, and the limit is ten times that.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from openvino_session import OpenVinoSession, has_bf16

from contract.parts import ModelPart
from export.checkpoints.checkpoint import open_checkpoint
from export.checkpoints.restore import restore_checkpoint
from export.checkpoints.tokenizer import open_tokenizers
from export.networks.precision import LIMITS
from export.parity.comparison import ParityReport, compare

DEMO = Path(__file__).parents[3] / "demo" / "models"
PARTS = ("text-encoder", "denoiser", "decoder")
LIMIT = {"f32": LIMITS["fp32", "fp32"], "bf16": LIMITS["bf16", "bf16"]}
THREADS = {"intra_op_thread_count": os.environ.get("OMP_NUM_THREADS", "0")}
PRECISIONS = [
    "f32",
    pytest.param("bf16", marks=pytest.mark.skipif(not has_bf16(), reason="the processor has no bfloat16")),
]


class OpenVinoRunner:
    """export.parity.runners.Runner, as Triton would run it."""

    def __init__(self, folder: Path, precision: str) -> None:
        self._session = OpenVinoSession(str(folder / "1" / "model.onnx"), THREADS, precision)

    def run(self, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        made = self._session.run({name: value.numpy() for name, value in inputs.items()})
        return {name: torch.from_numpy(np.array(array)) for name, array in made.items()}


def compared(checkpoint_folder: Path, repository: Path, precision: str, folder: Path) -> ParityReport:
    checkpoint = open_checkpoint(checkpoint_folder)

    def make_runner(part_folder: Path, part: ModelPart) -> OpenVinoRunner:
        return OpenVinoRunner(part_folder, precision)

    parts = {part: repository / f"eros-{part}" for part in PARTS}
    return compare(
        parts, checkpoint, open_tokenizers(checkpoint), LIMIT[precision], folder, make_runner=make_runner
    )


@pytest.mark.parametrize("precision", PRECISIONS)
def test_openvino_draws_what_torch_draws(
    tiny_folder: Path, repository: Path, tmp_path: Path, precision: str
) -> None:
    report = compared(tiny_folder, repository, precision, tmp_path)
    assert report.failure is None
    assert report.parts.keys() == set(PARTS) and len(report.pictures) == 4


@pytest.mark.parametrize("precision", PRECISIONS)
def test_openvino_draws_the_demo_models_pictures(tmp_path: Path, precision: str) -> None:
    restored = restore_checkpoint(DEMO, "eros", tmp_path / "restored")
    report = compared(restored, DEMO, precision, tmp_path)
    assert report.failure is None
    assert report.parts.keys() == set(PARTS) and len(report.pictures) == 4
