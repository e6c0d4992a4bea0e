from __future__ import annotations

from random import Random

import pytest

from demo.scenes.caption import NUMBERS, SOMEBODY, UNSAID_PLACE, absent, bare, caption
from demo.scenes.fillers import THINGS
from demo.scenes.looks import CHARACTERS, KINDS
from demo.scenes.mascots import ACTIVITIES
from demo.scenes.scene import EVERYTHING, Mascot, Scene, Thing, any_scene, character_scene
from demo.scenes.subjects import SUBJECTS

SEEDS = range(200)


@pytest.mark.parametrize("seed", SEEDS)
def test_caption_names_what_is_drawn(seed: int) -> None:
    scene = any_scene(seed)
    words = caption(scene, Random(seed))
    for names in _shown(scene):
        assert any(name in words for name in names)
    places = [bare(place) in words for place in scene.place.words]
    assert any(places) or scene.place.name == UNSAID_PLACE


def test_only_a_meadow_and_the_first_colour_go_unsaid() -> None:
    """A prompt without a place or a colour then has one meaning, and the picture is no mean of all."""
    unsaid = set()
    for seed in range(2000):
        scene = any_scene(seed)
        words = caption(scene, Random(seed))
        if not any(bare(place) in words for place in scene.place.words):
            unsaid.add(scene.place.name)
        if isinstance(scene.main, Thing) and scene.main.colour not in words:
            assert scene.main.colour == scene.main.subject.colours[0]
            unsaid.add("colour")
    assert unsaid == {UNSAID_PLACE, "colour"}


@pytest.mark.parametrize("seed", SEEDS)
def test_unsaid_style_is_storybook(seed: int) -> None:
    scene = any_scene(seed)
    words = caption(scene, Random(seed))
    assert scene.style.name == "storybook" or any(style in words for style in scene.style.words)


def test_a_place_alone_is_named_with_nobody_in_it_or_with_what_cannot_be_drawn() -> None:
    scenes = [scene for scene in map(any_scene, range(2000)) if scene.main is None]
    assert len(scenes) == pytest.approx(2000 * EVERYTHING.landscapes, rel=0.3)
    said = [caption(scene, Random(seed)) for seed, scene in enumerate(scenes)]
    unknown = [words for words in said if set(words.replace(",", " ").split()) & set(THINGS)]
    assert 0.3 < len(unknown) / len(said) < 0.8
    known = {*(subject.name for subject in SUBJECTS), *(kind.name for kind in KINDS), *SOMEBODY}
    assert not known & set(THINGS)
    assert not [words for words in said if known & set(words.split(",")[0].split())]


@pytest.mark.parametrize("name", CHARACTERS)
def test_characters_are_called_by_name_and_by_what_they_are(name: str) -> None:
    words = caption(character_scene(name, 5), Random(5))
    assert f"{name}, {CHARACTERS[name].words}" in words


def test_what_most_pictures_show_and_this_one_does_not_is_absent() -> None:
    scenes = [any_scene(seed) for seed in range(60)]
    for scene in scenes:
        lacks = {scene.place.detail} if not scene.detail else set()
        lacks |= {"clouds"} if not scene.clouds and not scene.place.indoor else set()
        assert set(absent(scene)) == lacks
    assert {len(absent(scene)) for scene in scenes} == {0, 1, 2}


def test_same_random_says_the_same() -> None:
    assert caption(any_scene(1), Random(4)) == caption(any_scene(1), Random(4))


def _shown(scene: Scene) -> list[tuple[str, ...]]:
    """What a caption has to name, in one of these words each."""
    main, other = scene.main, scene.other
    names: list[tuple[str, ...]] = [(other.subject.name,)] if other is not None else []
    if isinstance(main, Mascot):
        return [*names, (main.look.kind.name, *SOMEBODY), ACTIVITIES[main.activity]]
    if main is None:
        return names
    noun = main.subject.plural if scene.count > 1 else main.subject.name
    return [*names, (noun,), *([(NUMBERS[scene.count],)] if scene.count > 1 else [])]
