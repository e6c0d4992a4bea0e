"""The committed demo repository can be made again from itself: it is the only copy of its weights in git."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from export.character import merge_character
from export.checkpoints.checkpoint import open_checkpoint
from export.checkpoints.restore import restore_checkpoint
from export.model import export_checkpoint
from export.networks.networks import networks_of
from export.networks.trace import example_inputs
from tests.export.session import run

DEMO = Path(__file__).parents[2] / "demo" / "models"
LORAS = sorted((DEMO.parent / "loras").glob("*.safetensors"))
NAMES = sorted(path.name.removesuffix("-denoiser") for path in DEMO.glob("*-denoiser"))


@pytest.mark.parametrize("name", NAMES)
def test_demo_model_is_what_its_own_weights_export_to(name: str, tmp_path: Path) -> None:
    restored = restore_checkpoint(DEMO, name, tmp_path / "restored")
    folders = export_checkpoint(restored, name, tmp_path / "again")
    for folder in folders:
        theirs = DEMO / folder.name
        assert (folder / "config.pbtxt").read_text() == (theirs / "config.pbtxt").read_text()
        assert_same_weights(folder, theirs)
    for network in networks_of(open_checkpoint(restored)):
        inputs = example_inputs(network.part, {"batch": 1, "height": 6, "width": 10, "tokens": 77})
        with torch.no_grad():
            outputs = network.module(**inputs)
        wanted = outputs if isinstance(outputs, tuple) else (outputs,)
        for found, output in zip(run(DEMO / f"{name}-{network.part.name}", inputs), wanted, strict=True):
            largest = 1 if found.dtype == np.uint8 else 1e-3
            assert np.abs(found.astype(np.float64) - output.double().numpy()).max() <= largest


@pytest.mark.parametrize("lora", LORAS, ids=lambda path: path.stem)
@pytest.mark.parametrize("name", NAMES)
def test_every_demo_character_can_be_merged(name: str, lora: Path, tmp_path: Path) -> None:
    report = merge_character(DEMO / f"{name}-denoiser", lora, tmp_path / f"{name}-denoiser--{lora.stem}")
    assert report.layers > 0


def assert_same_weights(one: Path, other: Path) -> None:
    first, second = (
        {tensor.name: tensor for tensor in onnx.load(folder / "1" / "model.onnx").graph.initializer}
        for folder in (one, other)
    )
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        np.testing.assert_array_equal(numpy_helper.to_array(tensor), numpy_helper.to_array(second[name]))
