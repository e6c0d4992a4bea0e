"""The rule that protects minors. It is code, not data: it runs in every review, and no ruleset can turn it
off, soften it or take its names."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from acs.detections import Detections
from acs.wordlist import Wordlist
from contract.acs import MINORS_CATEGORY

CATEGORY_ID = MINORS_CATEGORY
CATEGORY_NAME = "Sexualisation of Minors"
TEXT_CODE = "minors.text"
IMAGE_CODE = "minors.image"
RESERVED = re.compile(r"minors([.-].*)?")  # ids that no ruleset may use

# Lower than any ruleset's: where the prompt speaks of a minor, a faint sign of nudity is enough.
NUDITY: Mapping[str, float] = {
    "FEMALE_GENITALIA_EXPOSED": 0.25,
    "MALE_GENITALIA_EXPOSED": 0.25,
    "ANUS_EXPOSED": 0.25,
    "FEMALE_BREAST_EXPOSED": 0.3,
    "BUTTOCKS_EXPOSED": 0.3,
    "FEMALE_GENITALIA_COVERED": 0.5,
}
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
# What makes the word after it the end of a larger number: twenty-five, a hundred and five.
_LARGER = (*_TENS, "hundred", "thousand", "hundred and", "thousand and")


def _not_after(words: Iterable[str], joint: str) -> str:
    return "".join(rf"(?<!{word}{joint})" for word in words)


_TO_17 = "(?:(?:one|two|three|four|five|six|seven|ten|eleven|twelve|thir|fif)(?:teen)?|eight|nine)"
_UNDER_18 = (
    rf"(?:0?\d|1[0-7]|(?:{_not_after(_LARGER, '[ -]')}{_TO_17}"
    # "twenty five-year-olds" are twenty, each of five years.
    rf"|{_not_after(_LARGER, '-')}{_TO_17}(?=-))(?![ -](?:hundred|thousand)))"
)
_MONTHS = rf"(?:\d{{1,2}}|{_TO_17}|eighteen|nineteen|{'|'.join(_TENS)})"
_GAP = r"\W{0,3}"
# `middle aged, two women` and `golden age, two women` tell nobody's age.
_AGED = _not_after(("middle", "golden", "stone", "bronze", "ice", "space"), "[ -]")
_AGE = re.compile(
    rf"(?<!\w)(?:{_UNDER_18}{_GAP}(?:years?|yrs?){_GAP}(?:olds?|of\Wage)"
    rf"|{_UNDER_18}{_GAP}y\W{{0,2}}o(?:ld)?"
    rf"|{_MONTHS}{_GAP}months?{_GAP}old"
    rf"|{_AGED}aged?\W{{1,3}}(?:of\W)?{_UNDER_18})(?!\w)"
)


@dataclass(frozen=True)
class MinorsRule:
    minors: Wordlist
    adult: tuple[Wordlist, ...]

    def codes(self, read: str, seen: Detections, *, child: bool = False) -> tuple[str, ...]:
        """`read` is what `text.readings` returned. Empty where nothing is wrong.

        `child`: the picture shows a character that depicts one, or of whom nobody has said that it does not.
        """
        if not (child or self.minors.occurs_in(read) or _AGE.search(read)):
            return ()
        text = any(words.occurs_in(read) for words in self.adult)
        image = any(seen.get(label, 0.0) >= least for label, least in NUDITY.items())
        return tuple(code for code, found in ((TEXT_CODE, text), (IMAGE_CODE, image)) if found)


def minors_rule(wordlists: Mapping[str, Wordlist]) -> MinorsRule:
    """Raises KeyError where a word list is missing, which stops the start."""
    return MinorsRule(wordlists["minors"], (wordlists["sexual"], wordlists["suggestive"]))
