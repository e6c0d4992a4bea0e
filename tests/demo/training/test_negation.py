from __future__ import annotations

import copy
from dataclasses import replace
from random import Random

import pytest
import torch

from demo.scenes.caption import absent, caption
from demo.scenes.fillers import flaws
from demo.scenes.scene import any_scene, lesser_scene, whole_scene
from demo.training import flow, negation, pipeline
from demo.training.batches import Batch, batch
from demo.training.pipeline import Pipeline
from demo.training.workplace import Workplace


def test_a_negative_names_what_the_picture_lacks() -> None:
    scenes = [any_scene(seed) for seed in range(60)]
    for scene in scenes:
        lacks = {scene.place.detail} if not scene.detail else set()
        lacks |= {"clouds"} if not scene.clouds and not scene.place.indoor else set()
        assert set(absent(scene)) == lacks
        assert negation.negative(scene, "blurry, text").split(", ") == ["blurry", "text", *absent(scene)]
    assert {len(absent(scene)) for scene in scenes} == {0, 1, 2}


@pytest.mark.parametrize("seed", range(20))
def test_twins_differ_in_one_thing(seed: int) -> None:
    whole, less = whole_scene(seed), lesser_scene(seed)
    assert absent(whole) == []
    assert len(absent(less)) == 1
    assert replace(less, detail=True, clouds=True) == whole


def test_its_error_is_that_of_guidance(workplace: Workplace) -> None:
    """Guidance shall draw v + (g - 1) (c' - u'); the loss measures u, whose share in it is g - 1."""
    torch.manual_seed(0)
    student, teacher = _built(workplace), _built(workplace)
    whole, less = (_again(batch(twin, workplace.config, 1)) for twin in workplace.twin_latents())
    value = negation.loss(student, teacher, whole, less, torch.ones(workplace.config.latent_channels), 1.0)
    random, seen = Random(1), flow.disturbed(_again(whole), negation.LEAST)
    asked = [caption(scene, random) for scene in less.scenes]
    plain = [flaws(random) for _ in less.scenes]
    named = [negation.negative(scene, words) for scene, words in zip(less.scenes, plain, strict=True)]
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        wanted, unwanted, found = (
            flow.velocity(model, seen.noisy, seen.sigma, flow.encode_text(model, words), whole.size)
            for model, words in ((teacher, asked), (teacher, plain), (student, named))
        )
    share = negation.GUIDANCE - 1
    turned = (seen.noisy - less.clean) / seen.sigma[:, None, None, None]
    guided = found + negation.GUIDANCE * (wanted - found)
    error = guided - (turned + share * (wanted - unwanted))
    assert value.item() == pytest.approx(error.square().mean().item() / share**2, rel=1e-3)


def test_training_goes_on_from_the_model(workplace: Workplace) -> None:
    base = _built(workplace)
    before = copy.deepcopy(base.trained().state_dict())
    run = negation.NegationRun(base, workplace.config, workplace.latents(), workplace.twin_latents())
    assert [report.step for report in negation.train(run, 2)] == [1, 2]
    assert any(not torch.equal(before[name], value) for name, value in base.trained().state_dict().items())


def _again(drawn: Batch) -> Batch:
    return replace(drawn, random=torch.Generator().manual_seed(1))


def _built(workplace: Workplace) -> Pipeline:
    return pipeline.build(workplace.config, workplace.tokenizers())
