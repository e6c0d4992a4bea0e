"""What single files say of their schedule, in the words of those who write them; headers are enough."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from contract.safetensors_header import SafetensorsHeader
from export.checkpoints.schedule_marks import FileMarks, distilled_name, read_marks
from export.errors import ExportError


def marks(path: Path, tensors: tuple[str, ...] = (), metadata: Mapping[str, str] = {}) -> FileMarks:
    return read_marks(path, SafetensorsHeader(dict.fromkeys(tensors, (0,)), {}, {}, metadata, 0))


def says(path: Path, tensors: tuple[str, ...] = (), metadata: Mapping[str, str] = {}) -> dict[str, object]:
    return {name: said.value for name, said in marks(path, tensors, metadata).said.items()}


V = {"prediction": "v"}
ZERO = {"zero_snr": True}


@pytest.mark.parametrize(
    ("tensors", "expected"),
    [
        (("v_pred",), V),
        (("v_pred", "ztsnr"), {**V, **ZERO}),
        (("V_Pred", "zsnr"), {**V, **ZERO}),
        (("model.v_pred",), V),
        (("model.diffusion_model.out.0.weight",), {}),
    ],
)
def test_tensors_that_mark_a_file(tensors: tuple[str, ...], expected: object, tmp_path: Path) -> None:
    assert says(tmp_path / "one.safetensors", tensors) == expected


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        ("modelspec.prediction_type", "v", V),
        ("modelspec.prediction_type", "epsilon", {"prediction": "epsilon"}),
        ("modelspec.prediction_type", "V-Prediction", V),
        ("modelspec.predictionType", "v_prediction", V),
        ("modelspec.predict_key", "v", V),
        ("modelspec.predict_key", "eps", {"prediction": "epsilon"}),
        ("modelspec.predict_type", "v prediction", V),
        ("prediction_type", "rectified flow", {"prediction": "flow"}),
        ("modelspec.prediction_type", "None", {}),
        ("ss_v_parameterization", "True", V),
        ("ss_v_parameterization", "False", {}),
        ("ss_zero_terminal_snr", "True", ZERO),
        ("ss_zero_terminal_snr", "False", {"zero_snr": False}),
        ("modelspec.ztsnr", "true", ZERO),
        ("timestep_spacing", "trailing", {"spacing": "trailing"}),
        ("ss_tag_frequency", json.dumps({"v_pred": 3, "ztsnr": 1}), {}),
        ("modelspec.title", "v_pred of everything", {}),
        (
            "scheduler_config",
            json.dumps({"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}),
            {**V, **ZERO},
        ),
        (
            "ot_config",
            json.dumps({"rescale_noise_scheduler_to_zero_terminal_snr": True, "force_v_prediction": True}),
            {**V, **ZERO},
        ),
        ("ot_config", json.dumps({"model": {"force_v_prediction": False}}), {}),
        ("config", "[" * 10_000, {}),
        ("config", "{" * 100_000, {}),
    ],
)
def test_metadata_in_all_dialects(key: str, text: str, expected: object, tmp_path: Path) -> None:
    assert says(tmp_path / "one.safetensors", metadata={key: text}) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("model:\n  params:\n    parameterization: 'v'\n    linear_start: 0.00085\n", V),
        ("    parameterization: eps  # as ever\n", {"prediction": "epsilon"}),
        ("target: sgm.modules.diffusionmodules.denoiser_scaling.VScaling\n", V),
        ("target: sgm.modules.diffusionmodules.denoiser_scaling.EpsScaling\n", {"prediction": "epsilon"}),
        ("nothing: of this\n", {}),
    ],
)
def test_yaml_of_the_same_name_is_read(text: str, expected: object, tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(text)
    assert says(tmp_path / "one.safetensors") == expected


def test_mark_wins_over_metadata_and_the_other_is_told(tmp_path: Path) -> None:
    found = marks(tmp_path / "one.safetensors", ("v_pred",), {"modelspec.prediction_type": "epsilon"})
    assert (found.said["prediction"].value, found.said["prediction"].source) == ("v", "v_pred in the file")
    assert found.contradictions == ("modelspec.prediction_type in the file's metadata says otherwise",)


@pytest.mark.parametrize(
    "tensors",
    [("edm_vpred.sigma_max", "edm_vpred.sigma_min"), ("edm_mean", "edm_std"), ("edm_mean", "v_pred")],
)
def test_edm_model_is_refused_by_name(tensors: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"is an EDM model \(as CosXL and Playground 2\.5 are\)"):
        marks(tmp_path / "one.safetensors", tensors)


def test_edm_scaling_in_a_yaml_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text("x.denoiser_scaling.VScalingWithEDMcNoise")
    with pytest.raises(ExportError, match="is an EDM model"):
        marks(tmp_path / "one.safetensors")


def test_prediction_that_nobody_knows_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"predicts 'sample' .*say --prediction"):
        marks(tmp_path / "one.safetensors", metadata={"modelspec.prediction_type": "sample"})


@pytest.mark.parametrize(
    ("name", "distilled"),
    [
        ("dreamshaperXL_v21TurboDPMSDE", True),
        ("juggernautXL_v9Lightning", True),
        ("RealVisXL_V4.0_lightning_bakedvae", True),
        ("sdxl-turbo", True),
        ("Hyper-SDXL-8steps", True),
        ("my_lcm_merge", True),
        ("dmd2_sdxl_4step", True),
        ("TCDScheduler", True),
        ("hyperrealism_v3", False),
        ("welcome", False),
        ("juggernautXL_v9", False),
    ],
)
def test_model_of_few_steps_is_known_by_its_names(name: str, distilled: bool) -> None:
    assert bool(distilled_name([name])) is distilled


def test_names_of_what_was_merged_are_read(tmp_path: Path) -> None:
    found = marks(tmp_path / "one.safetensors", metadata={"sd_merge_models": '{"name": "sdxl_lightning"}'})
    assert distilled_name(found.names) == "lightning"
