import json
from pathlib import Path
from typing import Any

import pytest
from description import BadDescription, read_description
from schedule import FlowSchedule, ScaledLinearSchedule

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
SDXL = {
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
    assert description.schedule == FlowSchedule(3.0)
    assert (description.latent_channels, description.downscale, description.token_window) == (16, 8, 77)
    assert description.pad_tokens == (49407, 0)


def test_a_denoiser_takes_32_windows_unless_it_says_fewer(tmp_path: Path) -> None:
    assert read_description(written(tmp_path, GOOD)).max_windows == 32
    assert read_description(written(tmp_path, GOOD | {"max_windows": 4})).max_windows == 4


def test_an_sdxl_model_is_read(tmp_path: Path) -> None:
    description = read_description(written(tmp_path, GOOD | {"sigmas": SDXL}))
    assert isinstance(description.schedule, ScaledLinearSchedule)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": 2}, "format is 2, expected 1"),
        ({"downscale": 0}, "downscale is 0, expected 1 to 64"),
        ({"downscale": True}, "downscale is True"),
        ({"latent_channels": "4"}, "latent_channels is '4'"),
        ({"max_windows": 33}, "max_windows is 33, expected 1 to 32"),
        ({"sigmas": {"kind": "karras"}}, "karras"),
        ({"sigmas": {"kind": "flow"}}, "shift"),
        ({"sigmas": SDXL | {"spacing": "random"}}, "spacing is 'random'"),
        ({"sigmas": None}, "AttributeError"),
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
