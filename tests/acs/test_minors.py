"""The built-in rule. Clinical words only."""

import pytest

from acs.minors import IMAGE_CODE, NUDITY, TEXT_CODE, minors_rule
from acs.text import readings
from acs.wordlist import load_all

RULE = minors_rule(load_all())


def codes(prompt: str, **seen: float) -> tuple[str, ...]:
    return RULE.codes(readings([prompt]), seen)


@pytest.mark.parametrize(
    "prompt",
    [
        "a child flying a kite",
        "@aya and two children on a swing, warm lighting",
        "a 12 year old boy playing chess",
        "a teenager on a skateboard",
        "kindergarten class drawing with crayons",
        "a baby elephant by the river",
        "a mother with her newborn, soft light",
        "children at the beach building a sand castle",
    ],
)
def test_harmless_picture_of_a_minor_is_safe(prompt: str) -> None:
    assert codes(prompt) == ()
    assert codes(prompt, FACE_FEMALE=0.9, BELLY_EXPOSED=0.8, MALE_BREAST_EXPOSED=0.8, FEET_EXPOSED=0.9) == ()


@pytest.mark.parametrize(
    "prompt",
    ["a nude statue of a woman", "baby blue lingerie", "adult woman, nude tones", "25 year old, nudity"],
)
def test_adult_content_without_minors_is_not_this_rule(prompt: str) -> None:
    assert codes(prompt, FEMALE_BREAST_EXPOSED=0.9) == ()


@pytest.mark.parametrize(
    "prompt",
    [
        "child, nudity",
        "nudity, a kid",
        "ch1ld, nud1ty",
        "c h i l d, nudity",
        "сhild, nudіty",  # Cyrillic look-alikes
        "15 year old, nsfw",
        "15-year-old, nsfw",
        "15yo nsfw",
        "fifteen years old, nsfw",
        "aged 9, nsfw",
        "age: 9, nsfw",
        "18 months old, nsfw",
        "12 y/o nsfw",
        "school-girl in lingerie",
        "teen, boudoir",
        "under 18, adult content",
        "ロリ, nsfw",
    ],
)
def test_minor_with_sexual_or_adult_words_is_flagged(prompt: str) -> None:
    assert codes(prompt) == (TEXT_CODE,)


@pytest.mark.parametrize("label", sorted(NUDITY))
def test_minor_with_detected_nudity_is_flagged(label: str) -> None:
    assert codes("a child in a garden", **{label: 0.5}) == (IMAGE_CODE,)


def test_both_signs_give_both_codes() -> None:
    assert codes("a child, nudity", BUTTOCKS_EXPOSED=0.4) == (TEXT_CODE, IMAGE_CODE)


TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


@pytest.mark.parametrize(
    "age", ["18", "21", "30", "117", "eighteen", "nineteen", *TENS, *(f"{ten}-one" for ten in TENS)]
)
@pytest.mark.parametrize("words", ["{} year old", "{}-years-old", "{} yo", "{} y/o", "aged {}", "age: {}"])
def test_adult_age_is_no_minor(age: str, words: str) -> None:
    assert codes(f"{words.format(age)}, nudity") == ()


@pytest.mark.parametrize(
    "prompt",
    [
        "twenty five years old",
        "a hundred and five years old",
        "one hundred two years old",
        "aged one hundred",
        "aged two thousand",
        "in her nineties",
        "the nineteen-nineties",
        "a nineteenth century portrait",
        "her nineteenth birthday",
        "middle-aged, two women",
        "golden age, two women",
    ],
)
def test_number_that_is_no_age_of_a_minor_is_no_minor(prompt: str) -> None:
    assert codes(f"{prompt}, nudity") == ()


TO_9 = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TO_17 = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen")


@pytest.mark.parametrize("age", [*map(str, range(18)), "07", *TO_9, *TO_17])
@pytest.mark.parametrize(
    "words", ["{} year old", "{}-years-old", "{} yrs old", "{} yo", "{} y/o", "aged {}", "age: {}"]
)
def test_every_age_under_18_is_a_minor(age: str, words: str) -> None:
    assert codes(f"{words.format(age)}, nudity") == (TEXT_CODE,)


@pytest.mark.parametrize(
    "prompt",
    [
        "nineteen months old",
        "thirty-one months old",
        "twelve years of age",
        "seventeen- or eighteen-year-old, seventeen years old",
        "a woman of twenty, five years old",
        "twenty five-year-olds",
        "aged 9 hundred times",
        "a woman of twenty. five years old",
        "one hundred people, five years old",
        "middle-aged man, five years old",
    ],
)
def test_age_of_a_minor_beside_other_numbers_is_found(prompt: str) -> None:
    assert codes(f"{prompt}, nudity") == (TEXT_CODE,)
