from __future__ import annotations

from random import Random

import pytest

from demo.scenes.caption import NUMBERS, absent, caption, exclusion
from demo.scenes.looks import CHARACTERS
from demo.scenes.people import ACTIVITIES
from demo.scenes.scene import Person, Scene, any_scene, character_scene

SEEDS = range(200)


@pytest.mark.parametrize("seed", SEEDS)
def test_caption_names_what_is_drawn(seed: int) -> None:
    scene = any_scene(seed)
    words = caption(scene, Random(seed))
    for word in _shown(scene):
        assert word in words
    assert any(_bare(place) in words for place in scene.place.words)


@pytest.mark.parametrize("seed", SEEDS)
def test_unsaid_style_is_storybook(seed: int) -> None:
    scene = any_scene(seed)
    words = caption(scene, Random(seed))
    assert scene.style.name == "storybook" or any(style in words for style in scene.style.words)


@pytest.mark.parametrize("name", CHARACTERS)
def test_characters_are_called_by_name(name: str) -> None:
    scene = character_scene(name, 5)
    words = caption(scene, Random(5))
    assert name in words
    assert isinstance(scene.main, Person)
    assert scene.main.look.kind not in words.split(", ")[0]


def test_what_most_pictures_show_and_this_one_does_not_is_absent() -> None:
    scenes = [any_scene(seed) for seed in range(60)]
    for scene in scenes:
        lacks = {scene.place.detail} if not scene.detail else set()
        lacks |= {"clouds"} if not scene.clouds and not scene.place.indoor else set()
        assert set(absent(scene)) == lacks
    assert {len(absent(scene)) for scene in scenes} == {0, 1, 2}


def test_an_exclusion_never_names_what_is_shown() -> None:
    named = set()
    for seed in SEEDS:
        scene = any_scene(seed)
        words = exclusion(scene, Random(seed))
        assert words == "" or words.startswith(", without ")
        excluded = set(words.removeprefix(", without ").split(", "))
        usual = {"clouds"} if scene.clouds and not scene.place.indoor else set()
        usual |= {scene.place.detail} if scene.detail else set()
        assert not excluded & usual
        named |= excluded & {*absent(scene)}
    assert {"clouds", "palm tree"} <= named


def test_same_random_says_the_same() -> None:
    assert caption(any_scene(1), Random(4)) == caption(any_scene(1), Random(4))


def _shown(scene: Scene) -> list[str]:
    main, other = scene.main, scene.other
    words = [f"{other.colour} {other.subject.name}"] if other is not None else []
    if isinstance(main, Person):
        assert main.activity in ACTIVITIES
        return [*words, main.look.kind, f"{main.look.colour} {main.look.clothes}"]
    noun = main.subject.plural if scene.count > 1 else main.subject.name
    number = [NUMBERS[scene.count]] if scene.count > 1 else []
    return [*words, *number, f"{main.colour} {noun}"]


def _bare(place: str) -> str:
    return " ".join(word for word in place.split(" ") if word not in ("on", "in", "at", "by", "the", "a"))
