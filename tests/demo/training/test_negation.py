from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from demo.scenes.caption import absent
from demo.scenes.scene import lesser_scene, whole_scene
from demo.training import negation, pipeline
from demo.training.workplace import Workplace


@pytest.mark.parametrize("seed", range(20))
def test_twins_differ_in_one_thing(seed: int) -> None:
    whole, less = whole_scene(seed), lesser_scene(seed)
    assert absent(whole) == []
    assert len(absent(less)) == 1
    assert replace(less, detail=True, clouds=True) == whole


def test_training_goes_on_from_the_model(workplace: Workplace) -> None:
    torch.manual_seed(0)
    base = pipeline.build(workplace.config, workplace.tokenizers())
    before = {name: value.clone() for name, value in base.trained().state_dict().items()}
    size, _, drawn = negation.PAIRS[0]
    pairs = ((size, 1, drawn),) * 2
    run = negation.NegationRun(base, workplace.config, workplace.latents(), workplace.twin_latents(), pairs)
    assert [report.step for report in negation.train(run, negation.HOLD)] == [1, 2, 3, 4]
    changed = [name for name, value in base.trained().state_dict().items() if not value.equal(before[name])]
    assert changed
