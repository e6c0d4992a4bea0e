"""A LoRA of few steps in a whole model: what is exported is the plain export with that LoRA merged in, which
other code does, for characters."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from onnx import numpy_helper

from export.character import merge_character
from export.checkpoints.schedule_choice import NO_OPTIONS, ScheduleOptions
from export.distilled import schedule_of_distilled
from export.errors import ExportError
from export.graphs.storage import load_model
from export.model import ExportOptions, export_checkpoint
from tests.export.loras import peft_state, save_diffusers, with_lora
from tests.export.tiny import save_tiny, save_tiny_sd15
from tests.export.tiny import unet as make_unet

Weights = dict[str, npt.NDArray[np.float32]]


def weights_of(repository: Path, name: str) -> Weights:
    graph = load_model(repository / name / "1" / "model.onnx").graph
    return {one.name: numpy_helper.to_array(one).astype(np.float32) for one in graph.initializer}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("distilled") / "checkpoint", prediction="epsilon")


@pytest.fixture(scope="module")
def lightning(folder: Path) -> Path:
    unet = with_lora(make_unet(), seed=3, size=0.05)
    return save_diffusers(peft_state(unet), folder.parent / "tiny_lightning_4step_lora.safetensors")


def test_model_is_the_plain_one_with_the_lora_merged_in(
    folder: Path, lightning: Path, tmp_path: Path
) -> None:
    export_checkpoint(folder, "plain", tmp_path / "plain")
    merge_character(
        tmp_path / "plain" / "plain-denoiser", lightning, tmp_path / "plain" / "plain-denoiser--few"
    )
    export_checkpoint(folder, "few", tmp_path / "few", ExportOptions(distilled=lightning))
    wanted = weights_of(tmp_path / "plain", "plain-denoiser--few")
    found = weights_of(tmp_path / "few", "few-denoiser")
    plain = weights_of(tmp_path / "plain", "plain-denoiser")
    assert found.keys() == wanted.keys()
    for name, weight in found.items():
        # The checkpoint's weights are rounded to fp16 once here, and twice where they are merged afterwards.
        assert np.allclose(weight, wanted[name], rtol=2e-3, atol=2e-4), name
    assert any(not np.array_equal(weight, plain[name]) for name, weight in found.items())
    described = json.loads((tmp_path / "few" / "few-denoiser" / "pipeline.json").read_text())
    assert described["sigmas"]["spacing"] == "trailing" and "sampler" not in described


@pytest.mark.parametrize(
    ("name", "options", "sampler", "spacing"),
    [
        ("sdxl_lightning_4step_lora", NO_OPTIONS, "euler", "trailing"),
        ("Hyper-SDXL-8steps-lora", NO_OPTIONS, "euler", "trailing"),
        ("lcm-lora-sdxl", NO_OPTIONS, "lcm", "trailing"),
        ("dmd2_sdxl_4step_lora", NO_OPTIONS, "lcm", "trailing"),
        ("lcm-lora-sdxl", ScheduleOptions(sampler="euler", spacing="linspace"), "euler", "linspace"),
    ],
)
def test_it_is_drawn_as_its_name_says(
    name: str, options: ScheduleOptions, sampler: str, spacing: str
) -> None:
    found = schedule_of_distilled(Path(f"{name}.safetensors"), options)
    assert (found.sampler, found.spacing) == (sampler, spacing)


def test_lora_of_another_family_is_refused_in_one_line(lightning: Path, tmp_path: Path) -> None:
    other = save_tiny_sd15(tmp_path / "other")
    with pytest.raises(ExportError) as told:
        export_checkpoint(other, "few", tmp_path / "few", ExportOptions(distilled=lightning))
    assert "lightning" in str(told.value) and "\n" not in str(told.value)
    assert not list((tmp_path / "few").glob("few-*"))


def test_missing_file_is_refused(folder: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone.safetensors"
    with pytest.raises(ExportError, match=r"There is no .*gone\.safetensors"):
        export_checkpoint(folder, "few", tmp_path / "few", ExportOptions(distilled=gone))
