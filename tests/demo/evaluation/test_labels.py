from __future__ import annotations

from itertools import islice

import pytest

from demo.evaluation.labels import IGNORED, NOBODY, ONE_OF_FOUR, answers, label
from demo.evaluation.questions import CATALOGUE_STYLES, everywhere, negatives, questions
from demo.scenes.looks import CHARACTERS
from demo.scenes.scene import Mascot, any_scene, character_scene
from demo.training.choices import CHOICES
from frontend.catalogue.catalogue import load
from frontend.settings import ROOT

CPU = CHOICES["cpu"]


def test_labels_are_answers() -> None:
    possible = answers(CPU)
    for seed in range(200):
        for question, number in label(any_scene(seed, CPU), CPU).items():
            assert number == IGNORED or 0 <= number < len(possible[question])


def test_who_looks_like_a_character_is_that_one_and_other_mascots_are_nobody() -> None:
    names = answers(CPU)["character"]
    assert names[label(character_scene("mira", 1, CPU), CPU)["character"]] == "mira"
    found = set()
    for scene in (any_scene(seed, CPU) for seed in range(50)):
        said = label(scene, CPU)["character"]
        if not isinstance(scene.main, Mascot):
            assert said == IGNORED
            continue
        look = CHARACTERS.get(names[said])
        assert look == scene.main.look or (
            names[said] == NOBODY and scene.main.look not in CHARACTERS.values()
        )
        found.add(names[said])
    assert found == set(names)


def test_questions_are_prompts_that_the_demo_catalogue_takes() -> None:
    from frontend.prompts.prompt import parse

    catalogue = load(ROOT / "demo" / "catalogue")
    styles, characters = catalogue.default_model.styles, catalogue.characters_of("eros")
    asked = list(questions(200))
    assert len({question.prompt for question in asked}) == 200
    possible = answers(CPU)
    for question in asked:
        assert question.style in styles
        assert parse(question.prompt, characters).character == question.expected.get(ONE_OF_FOUR, "")
        for name, answer in question.expected.items():
            assert name == ONE_OF_FOUR or answer in possible[name]
    assert set(CATALOGUE_STYLES) == {style.name for style in CPU.styles}


def test_each_character_is_asked_for_everywhere() -> None:
    asked = list(everywhere(CPU))
    seen = {
        tuple(question.expected[name] for name in ("character", "setting", "style")) for question in asked
    }
    assert len(seen) == len(asked) == 4 * len(CPU.places) * len(CPU.styles)
    assert {question.style for question in asked} == set(CATALOGUE_STYLES.values())


def test_negatives_differ_in_one_term() -> None:
    for plain, negative in islice(negatives(CPU, 20), 20):
        head, _, unwanted = negative.prompt.rpartition(", -")
        assert (head, negative.seed, negative.style) == (plain.prompt, plain.seed, plain.style)
        assert unwanted


def test_judge_says_what_it_was_taught() -> None:
    torch = pytest.importorskip("torch")
    from demo.evaluation import classifier

    torch.manual_seed(0)
    judge = classifier.Classifier(CPU)
    pictures, labels = classifier.examples(classifier.TRAIN_SEED, 32, CPU)
    losses = list(classifier.train(judge, pictures, labels, epochs=6))
    assert losses[-1] < losses[0]
    said = judge.say([pictures[0].permute(1, 2, 0).numpy()])[0]
    assert set(said) == {*answers(CPU), ONE_OF_FOUR}


def test_released_judge_knows_the_scenes_of_today() -> None:
    pytest.importorskip("torch")
    from demo.evaluation import classifier

    found = classifier.calibrate(classifier.load(classifier.released("cpu"), CPU), CPU, 120)
    assert min(found.values()) > 0.85, found
