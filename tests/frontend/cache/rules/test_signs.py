"""Signs are compared: what tells two prompts apart, and what is one sign typed in two ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontend.cache.rules.table import conflict
from frontend.domain.prompt_intent import PromptIntent

SIGNS = st.characters(categories=("P", "S", "No"))
HARMLESS = set(
    ",&\u2014\u2015\u3001\u3002\uff0c\uff06\ufe31\ufe50\ufe51\ufe58\ufe60\uff61\uff64\ufe10\ufe11\ufe12"
)
"""Before a word these are a comma or an "and"."""

OTHER_PICTURES = """
a day at -20°C ~ a day at 20°C
scoreboard showing 2:1 ~ scoreboard showing 1:2
C++ book ~ C# book
C++ book ~ C book
a girl (young:1.4) (old:0.2) ~ a girl (young:0.2) (old:1.4)
a (red:1.3) car ~ a red car
a red car, (night) ~ a red car, ((night))
(cat:1.1), dog ~ cat, (dog:1.1)
(a cat, a dog:1.2), a bird ~ (a cat, a bird:1.2), a dog
(cat, dog:1.2) ~ (cat), (dog:1.2)
[dog:cat:0.5] on a sofa ~ [cat:dog:0.5] on a sofa
[dog|cat] on a sofa ~ [dog:cat:0.5] on a sofa
a car, <lora:foo:1> ~ a car, <lora:foo:0.1>
a car, <lora:foo:1> ~ a car
a cat BREAK a dog ~ a dog BREAK a cat
a cat, BREAK, a dog, fog ~ fog, a cat, BREAK, a dog
a lunch BREAK ~ a lunch break
a man eating chicken ~ a man-eating chicken
three hundred-year-old trees ~ three-hundred-year-old trees
an old-furniture shop ~ an old furniture shop
two-tailed foxes ~ two tailed foxes
the king's horse and the queen ~ the king and the queen's horse
a face :) ~ a face :(
a face xD ~ a face :D
a face T_T ~ a face TT
10-20 ~ 20-10
x < y ~ x > y
x + y ~ x - y
5% ~ 5
$100 bill ~ 100 bill
1.5 ~ 15
12/25/2024 ~ 25/12/2024
50mm f/1.8 ~ 50mm f/18
10:30 ~ 1:030
2³ ~ 23
H₂O ~ H2O
1½ cups ~ 11/2 cups
№ 5 ~ no 5
6'2" man ~ 6'5" man
30°N 20°E ~ 20°N 30°E
Vienna 20°C, Oslo 5°C ~ Vienna 5°C, Oslo 20°C
Vienna 20, Oslo 5 ~ Vienna 5, Oslo 20
2 to 1 ~ 1 to 2
plus 5 ~ minus 5
room 101 ~ room 110
10 000 people ~ 10 000 000 people
1 000 cats ~ 1 000 000 cats
girl++ ~ girl+
(happy)- ~ (happy)+
player 1 beats player 2 ~ player 2 beats player 1
is it a cat? ~ is it a cat
a sign "yes!" ~ a sign "yes?"
a red sign "A", a door "B" ~ a red sign "B", a door "A"
a sign "A" and a door "B" ~ a sign "B" and a door "A"
bob_smith@example.org ~ bob-smith@example.org
👍 ~ 👎
👩‍💻 ~ 👩💻
🇦🇹 ~ 🇹🇦
a → b ~ a ← b
人々 ~ 人
猫→犬 ~ 犬→猫
a red car, blue ~ a blue car, red
a red car, a house, blue ~ a red car, a blue house
an orange car, blue ~ a blue car, orange
a leather chair, metal ~ a metal chair, leather
a fire truck, toy model ~ a toy model truck, fire
a dog house, cat ~ a cat house, dog
a dog house ~ a house dog
two dogs, cats, three ~ three dogs, cats, two
no hat, a scarf ~ a hat, no, a scarf
hat, no, scarf ~ hat, scarf
"""
ONE_PICTURE = """
a red car on the beach ~ A red car, on the  beach
red hair, smiling ~ smiling, red hair
a café by the sea ~ a cafe\u0301 by the sea
a day at −20 °C ~ A day at -20°C
a day at 20℃ ~ a day at 20 °C
a day at 20º ~ a day at 20°
a day at 20 ° C ~ a day at 20°C
＃5, l’été ~ l'été, #5
“open” sign ~ "open" sign
„open“ sign ~ "Open" sign
1990–2000 ~ 1990-2000
10 000 people ~ 10000 people
1990 – 2000 ~ 1990-2000
1990—2000 ~ 1990-2000
16 × 9 ~ 16x9
5'11″ man ~ 5′11" man
wait… ~ wait...
long_hair, blue_eyes ~ blue eyes, long hair
ＡＢＣ１０：３０ ~ abc10:30
the baker’s shop ~ the baker's shop
C++ book, desk ~ desk, c++ book
:(, cat, dog ~ cat, dog, :(
2 : 1, cat ~ cat, 2:1
5 % ~ 5%
½ cup ~ 1/2 cup
❤️ ~ ❤
(Red car:1.3), beach ~ beach, ( red car : 1.3 )
a (red, old:1.2) car, sea ~ sea, a (red,old:1.2) car
a cat BREAK a dog ~ A cat, BREAK a dog
a clock at 10:30, on a wall ~ a clock at 10:30 on a wall
a cat — a dog ~ a cat, a dog
a cat - a dog ~ a cat, a dog
A CAT ON A SOFA!!! ~ a cat on a sofa
style: watercolor, cat ~ cat, style: watercolor
black-and-white cat ~ black and white cat
curly‑haired girl ~ curly haired girl
twenty-one dogs ~ twenty one dogs
best-quality, super-nice, cat ~ cat
a very highly detailed clock at 10:30 ~ a clock at 10:30
dogs, two, cats ~ two, dogs, cats
portrait, 1984 ~ 1984, portrait
एक लाल कार, समुद्र ~ समुद्र, एक लाल कार
"""


def pairs(text: str) -> list[tuple[str, str]]:
    return [(one, other) for one, _, other in (line.partition(" ~ ") for line in text.strip().splitlines())]


def told_apart(one: str, other: str) -> bool:
    there, back = (conflict(PromptIntent(x), PromptIntent(y)) for x, y in ((one, other), (other, one)))
    assert (there is None) is (back is None)
    return there is not None


@pytest.mark.parametrize(("one", "other"), pairs(OTHER_PICTURES))
def test_prompts_that_only_signs_or_grouping_tell_apart_share_no_picture(one: str, other: str) -> None:
    assert told_apart(one, other)


@pytest.mark.parametrize(("one", "other"), pairs(ONE_PICTURE))
def test_one_sign_typed_in_two_ways_is_one_picture(one: str, other: str) -> None:
    assert not told_apart(one, other)


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        ("C++ book", "C# book"),
        ("(hat:1.3)", "(hat:0.3)"),
        ("hat", "(hat:0.3)"),
        (":)", ""),
        ("man-eating shark", "man eating shark"),
        ("two dogs", "three dogs"),
    ],
)
def test_negatives_are_compared_with_their_signs(asked: str, made: str) -> None:
    assert conflict(PromptIntent("a shelf", (asked,)), PromptIntent("a shelf", (made,))) == "not left out"


def test_how_much_a_fault_is_disliked_makes_no_difference() -> None:
    asked = PromptIntent("a shelf", ("(worst quality:1.4)",))
    assert conflict(asked, PromptIntent("a shelf")) is None


def test_weighted_negative_still_names_what_is_unwanted() -> None:
    asked = PromptIntent("a shelf", ("(hat:1.3)",))
    assert conflict(asked, PromptIntent("a hat on a shelf", ("(hat:1.3)",))) == "unwanted"


@given(SIGNS)
def test_no_sign_between_digits_is_lost(sign: str) -> None:
    assert told_apart(f"a 3{sign}5 cat", "a 35 cat")


@given(SIGNS.filter(lambda sign: sign not in HARMLESS))
def test_no_sign_before_a_word_is_lost(sign: str) -> None:
    assert told_apart(f"a cat {sign}dog", "a cat dog")
