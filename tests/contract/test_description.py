import json
from pathlib import Path
from typing import Any

import pytest

from contract.description import BadDescription, Description, read_description
from contract.families import FAMILIES, SD15, SDXL, Family
from contract.schedules import FlowSchedule, ScaledLinearSchedule

GOOD: dict[str, Any] = {
    "format": 1,
    "prediction": "flow",
    "sigmas": {"kind": "flow", "shift": 3.0},
    "init_noise": "flow",
    "latent_channels": 16,
    "downscale": 8,
    "pad_token": 49407,
    "pad_token_2": 0,
    "token_window": 77,
}
BETAS = {
    "kind": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "train_steps": 1000,
    "spacing": "leading",
    "steps_offset": 1,
}


def written(folder: Path, table: object) -> Path:
    path = folder / "pipeline.json"
    path.write_text(json.dumps(table))
    return path


def test_a_flow_model_is_read(tmp_path: Path) -> None:
    description = read_description(written(tmp_path, GOOD))
    assert description.diffusion.schedule == FlowSchedule(3.0)
    assert (description.latent_channels, description.downscale, description.token_window) == (16, 8, 77)
    assert description.pad_tokens == (49407, 0)


def test_a_denoiser_takes_32_windows_unless_it_says_fewer(tmp_path: Path) -> None:
    assert read_description(written(tmp_path, GOOD)).max_windows == 32
    assert read_description(written(tmp_path, GOOD | {"max_windows": 4})).max_windows == 4


def test_an_sdxl_model_is_read(tmp_path: Path) -> None:
    description = read_description(written(tmp_path, GOOD | {"sigmas": BETAS, "prediction": "epsilon"}))
    assert isinstance(description.diffusion.schedule, ScaledLinearSchedule)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": 2}, "format is 2, expected 1"),
        ({"downscale": 0}, "downscale is 0, expected 1 to 64"),
        ({"downscale": True}, "downscale is True"),
        ({"latent_channels": "4"}, "latent_channels is '4'"),
        ({"embedding_widths": [768]}, "embedding_widths is \\[768\\], expected one for each"),
        ({"embedding_widths": [768, 0]}, "embedding_widths is 0, expected 1 to 65536"),
        ({"max_windows": 33}, "max_windows is 33, expected 1 to 32"),
        ({"sigmas": {"kind": "karras"}}, "karras"),
        ({"sigmas": {"kind": "flow"}}, "shift"),
        ({"sigmas": BETAS | {"spacing": "random"}}, "spacing is 'random'"),
        ({"sigmas": None}, "NoneType"),
        ({"prediction": "v"}, "a flow schedule goes with flow prediction"),
        ({"family": "sd9"}, "family is 'sd9', expected sdxl, sd15"),
        ({"family": "sdxl", "pad_token_2": None}, "pad_token_2 is None"),
    ],
)
def test_a_broken_description_names_file_and_field(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    with pytest.raises(BadDescription, match=told) as caught:
        read_description(written(tmp_path, GOOD | change))
    assert "pipeline.json" in str(caught.value)


def test_a_missing_or_unreadable_description_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadDescription, match="FileNotFoundError"):
        read_description(tmp_path / "pipeline.json")
    (tmp_path / "pipeline.json").write_text("{")
    with pytest.raises(BadDescription, match="JSONDecodeError"):
        read_description(tmp_path / "pipeline.json")


def test_older_description_without_a_family_is_told_by_its_pads(tmp_path: Path) -> None:
    one_pad = {name: value for name, value in GOOD.items() if name != "pad_token_2"}
    assert read_description(written(tmp_path, GOOD)).family is SDXL
    description = read_description(written(tmp_path, one_pad))
    assert description.family is SD15 and description.pad_tokens == (49407,)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_description_that_was_written_is_read_again(tmp_path: Path, family: Family) -> None:
    description = Description(
        family=family,
        diffusion=family.diffusion,
        latent_channels=4,
        downscale=8,
        pad_tokens=tuple(range(len(family.text_encoders))),
        token_window=77,
        embedding_widths=tuple(range(8, 8 + len(family.text_encoders))),
        max_windows=4,
    )
    (tmp_path / "pipeline.json").write_bytes(description.to_json())
    assert read_description(tmp_path / "pipeline.json") == description


def test_demo_models_description_is_read() -> None:
    demo = Path(__file__).parents[2] / "demo" / "models" / "eros-denoiser"
    description = read_description(demo / "pipeline.json")
    assert (description.family, description.pad_tokens) == (SDXL, (2047, 0))
    assert description.max_windows == 32 and description.embedding_widths == (96, 96)
