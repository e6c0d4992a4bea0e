import pytest

from frontend.cache.rules.vocabulary import VOCABULARY


@pytest.mark.parametrize(
    ("word", "base"),
    [
        ("dogs", "dog"), ("children", "child"), ("leaves", "leaf"), ("berries", "berry"), ("foxes", "fox"),
        ("running", "run"), ("riding", "ride"), ("rode", "ride"), ("carries", "carry"), ("lying", "lie"),
        ("watering", "water"), ("stopped", "stop"), ("glass", "glass"), ("building", "building"),
        ("red", "red"),
        ("cape", "cape"), ("cap", "cap"), ("rose", "rose"), ("lenses", "lens"), ("straße", "straße"),
        ("bus", "bus"),
    ],
)  # fmt: skip
def test_form_has_its_base(word: str, base: str) -> None:
    assert VOCABULARY.inflections.form(word).base == base


@pytest.mark.parametrize(
    ("word", "plural", "verb"),
    [("dogs", True, False), ("reads", False, True), ("plants", True, False), ("reading", False, True)],
)
def test_plurals_are_told_from_verbs(word: str, plural: bool, verb: bool) -> None:
    form = VOCABULARY.inflections.form(word)
    assert (form.plural, form.verb) == (plural, verb)


@pytest.mark.parametrize(
    ("words", "lemma"),
    [
        (("sofa", "couch"), "sofa"),
        (("gray", "grey"), "gray"),
        (("snow", "snowy", "snowing"), "snow"),
        (("watch",), "watch"),
    ],
)
def test_synonyms_have_one_lemma(words: tuple[str, ...], lemma: str) -> None:
    assert {VOCABULARY.token(word).lemma for word in words} == {lemma}
