"""What people bring from other programs: understood, or left out and told; refusals never become wishes."""

import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from contract.emphasis import MAX_WEIGHT, plain
from contract.limits import MAX_PROMPT_CHARACTERS, MAX_WINDOWS
from frontend.common.errors import ApiError
from frontend.prompts.notes import MAX_NOTES
from frontend.prompts.prompt import Prompt, compose, parse, read
from frontend.prompts.prompt import format as canonical_form
from frontend.prompts.weights import MAX_WEIGHTED
from tests.frontend.prompts.test_prompt import AYA, CHARACTERS, MODEL, STYLE, refused, refused_terms


def canonical(text: str) -> str:
    return canonical_form(parse(text, CHARACTERS))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("beach, –rain", "beach, -rain"),
        ("beach, —rain", "beach, -rain"),
        ("beach, −rain", "beach, -rain"),
        ("beach, ‑rain", "beach, -rain"),
        ("beach, – rain", "beach, -rain"),
        ("海辺、－雨", "海辺, -雨"),
        ("浜辺。@aya", "@aya 浜辺。"),
        ("（@aya）海滩", "@aya 海滩"),
        ("@ayaが手を振る", "@aya が手を振る"),
        ("@aya: waving", "@aya waving"),
        ("@aya.", "@aya"),
        ("(@aya:1.2) waving", "@aya waving"),
        ("[@aya]", "@aya"),
        ("close-up, x-ray, T-34", "close-up, x-ray, T-34"),
        ("1girl, :3, ^_^, looking_at_viewer", "1girl, :3, ^_^, looking_at_viewer"),
        ("joe@example.com, car", "joe@example.com, car"),
        ("the years 1990–2000", "the years 1990–2000"),
    ],
)
def test_prompt_as_people_type_it(text: str, expected: str) -> None:
    assert canonical(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(red car:1.3) on a beach", "(red car:1.3) on a beach"),
        ("((red)) car", "(red:1.21) car"),
        ("[red] car", "(red:0.9091) car"),
        ("([red]) car", "red car"),
        ("(a, (b, c:1.2):1.1)", "(a:1.1), (b:1.32), (c:1.32)"),
        ("((red) car:1.3)", "(red:1.43) (car:1.3)"),
        ("(cat : 1.2), (dog:.5), (fox:1,3)", "(cat:1.2), (dog:0.5), (fox:1.3)"),
        ("（红色：1.3）车", "(红色:1.3)车"),
        ("(red:1) car", "red car"),
        ("(16:9), (10:30), score 2:1", "(16:9:1.1), (10:30:1.1), score 2:1"),
        ("(T-34:1.2)", "(T-34:1.2)"),
        ("(16:2.)", "(16:2.)"),
        ("a red car BREAK a blue house", "a red car BREAK a blue house"),
        ("a red car, BREAK, a blue house", "a red car BREAK a blue house"),
        ("(a red car BREAK a house:1.2)", "(a red car:1.2) BREAK (a house:1.2)"),
        ("word++, (a b)++, (a b)1.3 c, (dim)--", "(word:1.21), (a b:1.21), (a b:1.3) c, (dim:0.81)"),
        ("{x} {{y}}", "(x:1.05) (y:1.1025)"),
        ("1.3::red car::, blue", "(red car:1.3), blue"),
    ],
)
def test_emphasis_and_windows_are_understood(text: str, expected: str) -> None:
    reading = read(text, CHARACTERS)
    assert (canonical_form(reading.prompt), reading.notes) == (expected, ())


@pytest.mark.parametrize(
    "text",
    [
        "saber_(fate)",
        "saber_(fate) and (hero:1.2)",
        "colo(u)r, f(x), a[0]",
        "海滩(红色)",
        'a sign that says "(open)"',
        'a sign that says "BREAK (time) <b> --ar 16:9"',
        "“(open)” and 「[x]」",
        r"a \(red\) car",
        r"\[red\]",
        ":), ;), :(, ;-(, >:), (:, :D, :P, =(",
        r"(^_^), (T_T), (-_-), \(^o^)/, ^_^",
        "C++ and C#, Notepad++",
        "take a break, tea-BREAK",
        "SALT AND PEPPER",
        "price: 5, size: 3",
        "a - b, 5:30, 2:1",
        r"\m/, C:\temp",
        "<3, a < b",
        "under_score and a_b",
    ],
)
def test_what_is_text_stays_text(text: str) -> None:
    reading = read(text, CHARACTERS)
    assert (canonical_form(reading.prompt), reading.notes) == (text, ())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a (car", "a (car"),
        ("a car)", "a car)"),
        ("a [b) c", "a [b) c"),
        ("((", "(("),
        (":1.2)", ":1.2)"),
        ('a sign that says "open (daily), no [dogs]"', 'a sign that says "open (daily) no [dogs]"'),
    ],
)
def test_brackets_without_a_meaning_reach_the_model_as_they_are(text: str, says: str) -> None:
    prompt = parse(text, ())
    assert " ".join(map(plain, prompt.positive)) == says and not prompt.negative


@pytest.mark.parametrize(
    ("text", "expected", "told"),
    [
        ("a car, <lora:details:0.8>", "a car", "<lora:details:0.8>"),
        ("<hypernet:x:1> car, <lyco:y>", "car", "<hypernet:x:1>"),
        ("<|endoftext|> car", "car", "<|endoftext|>"),
        ("car, embedding:easy", "car", "embedding:easy"),
        ("car, (embedding:easy:1.2)", "car", "embedding:easy"),
        ("a car --ar 16:9", "a car", "--ar 16:9"),
        ("a car --v 6.1 --stylize 250 --seed 1 --style raw --tile", "a car", "--stylize 250"),
        ("a car —ar 16:9", "a car", "—ar 16:9"),
        ("a car, --ar 16:9", "a car", "--ar 16:9"),
        ("a car --sref https://example.com/a.png 123 --sw 50", "a car", "--sref"),
        ("/imagine prompt: a car --q 2", "a car", "--q 2"),
        ("a car --unheard of", "a car", "--unheard of"),
        ("a [dog|cat] on a sofa", "a dog on a sofa", "[dog|cat]"),
        ("a [dog:cat:0.5] on a sofa", "a dog on a sofa", "[dog:cat:0.5]"),
        ("a [cat::0.5] and a [:dog:8]", "a cat and a dog", "[cat::0.5]"),
        ("a {red|blue} car", "a red car", "{red|blue}"),
        ("a {2$$red|blue} {0.3::car|0.7::van}", "a red car", "{2$$red|blue}"),
        ("a __color__ car", "a car", "__color__"),
        ("a cat AND a dog", "a cat, a dog", "AND"),
        ("a cat :1.2 AND a dog :0.8", "a cat, a dog", "AND"),
        ("a cat ADDCOMM a dog", "a cat BREAK a dog", "ADDCOMM"),
        ('("a cat", "a dog").blend(0.7, 0.3)', "a cat, a dog", "blend"),
        ('("a cat", "a dog").and()', "a cat, a dog", "and()"),
        ("a cat.swap(dog) runs", "a cat runs", ".swap(dog)"),
        ("hot:: dog::2", "hot, dog", "::"),
        ("(red:5) car", "(red:2) car", "weighs 2"),
        ("((((((((red)))))))) car", "(red:2) car", "weighs 2"),
        ("(red:1e300) car, (b:inf)", "(red:2) car, (b:2)", "weighs 2"),
        ("(red:nan) car", "red car", "no weight"),
        ("(@aya:1.2) waving", "@aya waving", '"@aya" has no meaning'),
        ("((@aya)), @aya++", "@aya", '"@aya" has no meaning'),
        ("BREAK a car BREAK", "a car", "BREAK"),
        ("car\nSteps: 20, Sampler: Euler a", "car", "Steps: 20"),
        ("car steps: 20 sampler: Euler a cfg scale: 7", "car", "steps: 20"),
        ("car\nSteps: 20", "car", "Steps: 20"),
    ],
)
def test_what_is_not_done_is_told(text: str, expected: str, told: str) -> None:
    reading = read(text, CHARACTERS)
    assert canonical_form(reading.prompt) == expected
    assert any(told in note for note in reading.notes)


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("car, (-rain:1.3)", ("(rain:1.3)",)),
        ("car --no rain", ("rain",)),
        (
            "car\nNegative prompt: rain, hat\n"
            "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512",
            ("rain", "hat"),
        ),
        ("car NEGATIVE PROMPT: rain, hat Steps: 20, Sampler: Euler a, CFG scale: 7", ("rain", "hat")),
        ("Prompt: car\nnegative prompt: rain\nhat\nsteps: 20, sampler: Euler a", ("rain", "hat")),
        ("car. Negative_prompt：rain", ("rain",)),
        ("car\nNegative: rain", ("rain",)),
        ("car\nSteps: 20, Seed: 1\nNegative prompt: rain", ("rain",)),
        ("Negative prompt: rain\nPositive prompt: car", ("rain",)),
        ("car\n负面提示词：rain", ("rain",)),
        ("car\nNegative prompt: (rain, hat:1.3), [fog], <lora:x:1>, -snow", None),
        ("**Prompt:** car\n**Negative prompt:** rain", ("rain",)),
        ('{"prompt": "car", "negative_prompt": "rain, hat"}', ("rain", "hat")),
        ("car [Negative prompt: rain]", ("rain",)),
        ("car --no rain, hat --ar 16:9", ("rain", "hat")),
        ("car --no=rain", ("rain",)),
        ("car -- no rain", ("rain",)),
        ("car — no rain", ("rain",)),
        ("car —no rain", ("rain",)),
        ("car --ar 1:1 --no rain --v 6 --no hat", ("rain", "hat")),
        ("car --neg rain", ("rain",)),
        ("car, --rain", ("rain",)),
        ("car --rain", ()),
        ("((-rain)), car", ("(rain:1.21)",)),
        ("-(rain:1.3), car", ("(rain:1.3)",)),
        ("-(rain, hat:1.3), car", ("(rain:1.3)", "(hat:1.3)")),
        ("car, -((rain, hat), fog)", None),
        ("car, -(rain\nhat)", None),
        ("car, (-rain", ("rain",)),
        ("car（-rain）", ("rain",)),
        ("car (-rain:1.3) van", ("(rain:1.3)",)),
        ("（-rain：1.2）, car", ("(rain:1.2)",)),
        ("(rain:-1) car", ("rain",)),
        ("car, -1::rain::", ("rain",)),
        ("car:: rain::-0.5", ("rain",)),
        ("car AND rain :-1", ("rain",)),
        ("car, -rain AND hat", None),
        ('("car", "rain").blend(1, -0.5)', ("rain",)),
        ("car, -[rain|hat]", ("rain",)),
        ("car, -{rain|hat}", ("rain",)),
        ("car, [-rain:hat:0.5]", ("rain",)),
        ("car, (-rain)++", ("(rain:1.21)",)),
        ("(rain:-1.2), -(hat:-1), car", None),
    ],
)
def test_what_is_refused_is_never_wished_for(text: str, refused: tuple[str, ...] | None) -> None:
    """`refused` in full, where it is more than the words below that must not be wished for."""
    prompt = parse(text, CHARACTERS)
    composed = compose(prompt, (), MODEL, STYLE, None)
    said = plain(composed.positive)
    assert not [word for word in ("rain", "hat", "fog", "snow", "Steps", "-") if word in said]
    assert "car" in said
    if refused is not None:
        assert prompt.negative == refused


@pytest.mark.parametrize(
    "text",
    [
        "car, -@aya",
        "car, (-@aya:1.3)",
        "car, -(hat, @aya)",
        "car --no @aya",
        "(@aya:-1), car",
        "car\nNegative prompt: a hat of @aya",
    ],
)
def test_refused_character_is_not_drawn(text: str) -> None:
    prompt = parse(text, CHARACTERS)
    assert prompt.character == "" and "aya" in " ".join(prompt.negative)
    assert parse(canonical_form(prompt), CHARACTERS) == prompt


def test_refusal_that_break_ends_is_told() -> None:
    reading = read("car, -rain BREAK a house", ())
    assert reading.prompt == Prompt("", ("car", "BREAK", "a house"), ("rain",))
    assert reading.notes == ('"-rain" ends at BREAK: what follows is wished for',)


def test_prompt_that_is_all_left_out_says_why() -> None:
    with pytest.raises(ApiError, match="Prompt is required") as refusal:
        parse("<lora:details:1>", ())
    assert "<lora:details:1>" in refusal.value.detail


def test_field_of_negatives_takes_the_same_dialects() -> None:
    notes = read("car", (), "(rain:1.3), -hat, <lora:x:1>, fog BREAK snow").notes
    assert refused_terms("(rain:1.3), -hat, <lora:x:1>, fog BREAK snow") == (
        "(rain:1.3)",
        "hat",
        "fog",
        "snow",
    )
    assert "<lora:x:1>" in notes[0] and "BREAK" in notes[1]
    assert refused_terms("Negative prompt: rain\nSteps: 20, Sampler: x") == ("rain",)


def test_weights_windows_and_notes_are_bounded() -> None:
    weighted = read(",".join(f"(a{number}:1.5)" for number in range(MAX_WEIGHTED + 10)), ())
    assert sum("(" in term for term in weighted.prompt.positive) == MAX_WEIGHTED
    windows = read(" BREAK ".join(f"a{number}" for number in range(MAX_WINDOWS + 10)), ())
    assert windows.prompt.positive.count("BREAK") == MAX_WINDOWS - 1
    assert len(windows.prompt.positive) == 2 * MAX_WINDOWS + 9
    assert weighted.notes and windows.notes
    left_out = read("car, " + ", ".join(f"<lora:{number}:1>" for number in range(100)), ())
    assert len(left_out.notes) == MAX_NOTES and "more" in left_out.notes[-1]
    assert all(len(note) < 250 for note in read(f"car <lora:{'x' * 290}:1>", ()).notes)


def test_weights_are_composed_with_those_of_the_catalogue_and_no_term_stands_twice() -> None:
    prompt = parse("@aya (sharp:1.3), tree, (tree:1.2), red scarf BREAK (lake:0.8)", CHARACTERS)
    composed = compose(prompt, ("(rain:1.2)", "Grain"), MODEL, STYLE, AYA)
    assert composed.positive == (
        "drawing of aya, red scarf, (sharp:1.3), (tree:1.2) BREAK (lake:0.8), clean lines, best quality"
    )
    assert composed.negative == "blurry, lowres, grain, blue scarf, (rain:1.2)"


def test_no_weight_of_any_prompt_is_out_of_bounds() -> None:
    prompt = parse("(a:9), [[[[[[[[[[[[[[[[b]]]]]]]]]]]]]]]], (c:-0), (d:0)", ())
    assert prompt.positive == (f"(a:{MAX_WEIGHT:g})", "(b:0.2176)", "(c:0)", "(d:0)")


REFUSALS = {"", "Prompt is too long", "Prompt is required", "Invalid character"}
HOSTILE = [
    *("(", ")", "[", "]", "{", "}", "((", "[[", "{{", "(a:1.2", ":1.2)", "[a|", "[a:", "{a|", "<a:", "<|"),
    *("    ", "--no ", "--a ", "a:: ", "1::a", "++ ", "\\", '"', "“", "「", "（", "（-", "：1", ":)", "(^_^"),
    *("__a", "${", "a-- ", "a ,", "\n", "BREAK ", "AND ", "Steps: 1, ", "Negative prompt: ", "size: ", "@"),
    *("@a:", "neg:", "embedding:", '("a",', ".swap("),
    *(
        "'-a",
        "* ",
        "1. -",
        "• ",
        "ー雨",
        "\u200d",
        "; -a",
        " -no ",
        "\\n-a",
        "<br>",
        "### negative\n",
        "prompt\n",
        "=",
        "neg prompt ",
    ),
    *(
        "https://a(",
        "https://a(b)",
        "a（b：",
        "(a：1.",
        "-'a",
        "AND_PERP ",
        "/imagine ",
        "−−no ",
        '{"prompt":"a",',
    ),
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_longest_hostile_prompts_are_read_or_refused_in_time(piece: str) -> None:
    """The slowest takes 0.2 s on one core."""
    text = (piece * MAX_PROMPT_CHARACTERS)[: MAX_PROMPT_CHARACTERS - 1] + "x"
    began = time.process_time()
    assert refused(lambda: read(text, CHARACTERS)) in REFUSALS
    assert time.process_time() - began < 5


@given(st.lists(st.sampled_from([*HOSTILE, "a", "rain", " ", ", "]), max_size=40).map("".join))
def test_any_mixture_of_dialects_is_read_or_refused(text: str) -> None:
    assume(not refused(lambda: parse(text, CHARACTERS)))
    prompt = parse(text, CHARACTERS)
    assert parse(canonical_form(prompt), CHARACTERS) == prompt


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('car, -"rain, hat"', "car, -rain, -hat"),
        ("car\n– “rain, hat”, tree", "car, tree, -rain, -hat"),
        ("car、-「雨、帽子」", "car, -雨, -帽子"),
        ('car, -"rain"', 'car, -"rain"'),
        ('a sign that says "open, closed"', 'a sign that says "open, closed"'),
    ],
)
def test_all_that_is_refused_in_quotes_is_refused(text: str, wanted: str) -> None:
    assert canonical_form(parse(text, ())) == wanted
