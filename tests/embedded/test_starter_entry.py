from dataclasses import replace
from pathlib import Path

import pytest

from contract.description import Description, read_description
from contract.families import FAMILIES, FLUX_DEV, FLUX_SCHNELL, SD15, SDXL, Z_IMAGE_TURBO, Family
from contract.schedules import Diffusion, Prediction, ScaledLinearSchedule
from embedded.starter_entry import write_starter_entry
from frontend.catalogue.catalogue import load
from frontend.settings import ROOT

DEMO = read_description(ROOT / "demo" / "models" / "eros-denoiser" / "pipeline.json")


def described(family: Family, spacing: str = "leading", prediction: Prediction = "epsilon") -> Description:
    assert isinstance(family.diffusion.schedule, ScaledLinearSchedule)
    schedule = replace(family.diffusion.schedule, spacing=spacing)
    return replace(DEMO, family=family, diffusion=Diffusion(prediction, schedule))


@pytest.mark.parametrize(
    ("description", "steps", "guidance"),
    [
        (described(SDXL), 30, 6.0),
        (described(SD15), 30, 7.5),
        (described(SDXL, "trailing"), 8, 1.5),  # as Turbo and Lightning are
        (described(SDXL, "trailing", "v"), 30, 6.0),  # of zero terminal SNR: not distilled
        (DEMO, 30, 6.0),
    ],
)
def test_first_entry_of_a_model_is_a_catalogue(
    tmp_path: Path, description: Description, steps: int, guidance: float
) -> None:
    path = write_starter_entry(tmp_path, "my-own", description)
    catalogue = load(tmp_path)
    model = catalogue.models["my-own"]
    assert (model.steps, model.guidance, model.label) == (steps, guidance, "My own")
    assert catalogue.faults == () and model.style(None).name == "plain" and len(model.styles) >= 3
    assert path == tmp_path / "models" / "my-own.yaml"


@pytest.mark.parametrize(
    ("family", "told"),
    [
        (FLUX_DEV, "follows the prompt closer"),
        (FLUX_SCHNELL, "guidance changes nothing"),
        (Z_IMAGE_TURBO, "guidance changes nothing"),
    ],
)
def test_entry_of_a_model_without_negative_prompt_has_no_negative_terms(
    tmp_path: Path, family: Family, told: str
) -> None:
    description = Description(
        family=family,
        diffusion=family.diffusion,
        latent_channels=16,
        downscale=8,
        pad_tokens=(0,) * len(family.text_encoders),
        token_window=77,
    )
    path = write_starter_entry(tmp_path, "mine", description)
    model = load(tmp_path).models["mine"]
    assert "negative:" not in path.read_text() and told in path.read_text()
    assert (model.steps, model.guidance, len(model.styles)) == (family.steps, family.guidance, 4)


def test_entry_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine.yaml").write_text("mine")
    write_starter_entry(tmp_path, "mine", DEMO)
    assert (tmp_path / "models" / "mine.yaml").read_text() == "mine"


def test_every_family_says_what_an_entry_starts_with() -> None:
    assert all(1 <= family.steps <= 100 and 1 <= family.guidance <= 30 for family in FAMILIES)
