from __future__ import annotations

from dataclasses import replace

from demo.train import open_decoder, open_diffusion, train_base, write_pipeline
from demo.training.workplace import Workplace


def test_base_trains_both_parts_to_their_ends(workplace: Workplace) -> None:
    place = replace(workplace, config=replace(workplace.config, steps=2, decoder_steps=1))
    train_base(place, preview_steps=1000)
    assert open_diffusion(place).step == 2
    assert open_decoder(place).step == 1
    assert write_pipeline(place) == str(place.pipeline)
    assert (place.pipeline / "model_index.json").exists()
