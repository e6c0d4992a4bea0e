from __future__ import annotations

import copy

import torch

from demo.scenes.caption import absent
from demo.scenes.scene import any_scene
from demo.training import negation, pipeline
from demo.training.batches import batch
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


def test_training_brings_guidance_nearer_to_the_lack(workplace: Workplace) -> None:
    base = _built(workplace)
    before = copy.deepcopy(base)
    list(negation.train(negation.NegationRun(base, workplace.config, workplace.latents()), 12))
    assert _loss(base, before, workplace) < _loss(before, before, workplace)


def _loss(student: Pipeline, teacher: Pipeline, workplace: Workplace) -> float:
    drawn = batch(workplace.latents(), workplace.config, 1)
    with torch.no_grad():
        return negation.loss(student, teacher, drawn, torch.ones(workplace.config.latent_channels)).item()


def _built(workplace: Workplace) -> Pipeline:
    torch.manual_seed(0)
    return pipeline.build(workplace.config, workplace.tokenizers())
