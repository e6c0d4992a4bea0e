from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel

from contract.description import read_description
from contract.repositories import DESCRIPTION_FILE
from demo.scenes.looks import CHARACTERS
from demo.train import Release, open_decoder, open_diffusion, train_all, train_base, write_pipeline
from demo.training.released import MODELS, NAME
from demo.training.workplace import Workplace
from export.checkpoints.restore import restore_checkpoint


def test_base_trains_both_parts_to_their_ends(workplace: Workplace) -> None:
    place = replace(workplace, config=replace(workplace.config, steps=2, decoder_steps=1))
    train_base(place, preview_steps=1000)
    assert open_diffusion(place).step == 2
    assert open_decoder(place).step == 1
    assert write_pipeline(place) == place.pipeline
    assert (place.pipeline / "model_index.json").exists()


def test_one_run_makes_all_that_is_released(workplace: Workplace, tmp_path: Path) -> None:
    """Twice: the second finds everything trained, and changes nothing."""
    place = replace(workplace, config=replace(workplace.config, steps=1, decoder_steps=1))
    later = replace(place.config, full_batch=1, decoder_steps=2, lora_steps=1)
    release = Release(models=tmp_path / "models", loras=tmp_path / "loras")
    train_all(place, later, release, preview_steps=1000)
    assert {path.stem for path in release.loras.iterdir()} == set(CHARACTERS)
    made, in_use = (
        read_description(folder / f"{NAME}-denoiser" / DESCRIPTION_FILE)
        for folder in (release.models, MODELS)
    )
    assert made.sampling == in_use.sampling
    first = _files(release.models)
    train_all(place, later, release, preview_steps=1000)
    assert _files(release.models) == first
    on = replace(place, released=place.pipeline)
    assert open_diffusion(on).step == 1
    assert open_decoder(on).step == 2
    shipped = UNet2DConditionModel.from_pretrained(
        restore_checkpoint(release.models, NAME, tmp_path / "back") / "unet"
    )
    trained = UNet2DConditionModel.from_pretrained(on.pipeline / "unet", torch_dtype=torch.float32)
    assert all(torch.equal(value, trained.state_dict()[name]) for name, value in shipped.state_dict().items())


def _files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
