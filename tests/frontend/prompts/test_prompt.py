from collections.abc import Callable

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from contract.acs import ReviewRequest
from contract.emphasis import plain
from contract.limits import MAX_COMPOSED_CHARACTERS, MAX_PROMPT_CHARACTERS
from frontend.catalogue.catalogue import Character, Model, Style
from frontend.common.errors import ApiError
from frontend.prompts.notes import Notes
from frontend.prompts.prompt import Prompt, compose, parse, read, refusals
from frontend.prompts.prompt import format as canonical_form
from tests.acs.orders import body

CHARACTERS = frozenset({"aya", "bella", "x-ray_2"})
STYLE = Style(name="professional", label="Professional", positive="clean lines, Sharp", negative="grain")
MODEL = Model(
    name="eros",
    label="Eros",
    default_style="professional",
    steps=8,
    guidance=3.0,
    negative="blurry, lowres",
    quality="sharp, best quality",
    styles={"professional": STYLE},
)
AYA = Character(
    name="aya",
    label="Aya",
    models=("eros",),
    trigger="drawing of aya",
    positive="red scarf",
    negative="blue scarf",
    lora="../loras/aya.safetensors",
    rights="fictional",
)

# Text made mostly of what the syntax gives a meaning to.
words = [
    "tree",
    "é",
    "İ",
    "x-ray",
    "a@aya.com",
    "@aya",
    "@AYA",
    "@bella",
    "@aya's",
    "-@aya",
    "@x-ray_2",
    "が",
    "1.2",
    "BREAK",
    "AND",
    "(tree:1.2)",
    "[tree]",
    "saber_(fate)",
    ":)",
    "(^_^)",
    "(-rain",
    "hat:-1)",
    "--no hat",
    "--ar 16:9",
    "[dog|cat]",
    "{dog|cat}",
    "::",
    "++",
    "<lora:x:1>",
    "Negative prompt: ",
    "Steps: 20",
    "embedding:x",
]
marks = [
    "@",
    "@@",
    "-",
    "--",
    " ",
    ",",
    ", ",
    "，",
    "'s",
    "’s",
    "(",
    ")",
    '"',
    ".",
    "\n",
    "\t",
    "\u2013",
    "\uff20",
    ":",
    "\u300c",
    "[",
    "]",
    "{",
    "}",
    "|",
    "\\",
    "\uff08",
    "\uff09",
    "=",
    "_",
    "--",
    "'",
    "<",
    ">",
    "\u300d",
    "\0",
    "\u200b",
    "\x1c",
]
texts = st.one_of(st.text(), st.lists(st.sampled_from(words + marks), max_size=30).map("".join))


def refused_terms(negative: str) -> tuple[str, ...]:
    """Of the field `negative`."""
    return refusals(negative, Notes().tell)


def refused(act: Callable[[], object]) -> str:
    """The words of the refusal, "" where there was none. Anything but ApiError 400 fails the test."""
    try:
        act()
    except ApiError as error:
        return error.message if error.status == 400 else f"{error.status} {error.message}"
    return ""


@given(texts)
def test_canonical_prompt_parses_back_to_the_same(text: str) -> None:
    assume(not refused(lambda: parse(text, CHARACTERS)))
    prompt = parse(text, CHARACTERS)
    canonical = canonical_form(prompt)
    assert parse(canonical, CHARACTERS) == prompt
    assert canonical_form(parse(canonical, CHARACTERS)) == canonical
    assert len(canonical) <= MAX_PROMPT_CHARACTERS


@given(texts)
def test_any_text_is_a_prompt_or_refused_with_the_words_of_the_api(text: str) -> None:
    assert refused(lambda: parse(text, CHARACTERS)) in {
        "",
        "Prompt is required",
        "Invalid character",
        "Only one character per prompt",
    }


@given(
    st.sampled_from(["", "aya", "x-ray_2"]),
    st.lists(st.text(max_size=20), max_size=6).map(tuple),
    st.lists(st.text(max_size=20), max_size=6).map(tuple),
)
def test_every_prompt_that_can_be_made_survives_its_canonical_form(
    character: str, positive: tuple[str, ...], negative: tuple[str, ...]
) -> None:
    try:
        prompt = Prompt(character, positive, negative)
    except ValueError:
        return
    assert parse(canonical_form(prompt), CHARACTERS) == prompt


@given(texts, texts)
def test_composed_prompts_have_no_stray_commas_and_no_term_twice(text: str, explicit: str) -> None:
    assume(not refused(lambda: parse(text, CHARACTERS)))
    prompt = parse(text, CHARACTERS)
    composed = compose(
        prompt, refused_terms(explicit), MODEL, STYLE, AYA if prompt.character == "aya" else None
    )
    for side in (composed.positive, composed.negative):
        terms = side.replace(" BREAK ", ", ").split(", ") if side else []
        assert all(term and term == term.strip() and "," not in term for term in terms)
        assert len({term.casefold() for term in terms}) == len(terms)
    for term in prompt.positive:
        assert plain(term).casefold() in plain(composed.positive).casefold()


@pytest.mark.parametrize(
    ("text", "character", "positive", "negative"),
    [
        (
            "@aya reading a book, under a tree, warm lighting, -rain, -red dress",
            "aya",
            ("reading a book", "under a tree", "warm lighting"),
            ("rain", "red dress"),
        ),
        ("tree", "", ("tree",), ()),
        ("@aya", "aya", (), ()),
        ("-rain", "", (), ("rain",)),
        ("@aya -rain", "aya", (), ("rain",)),
        ("@aya, -rain", "aya", (), ("rain",)),
        ("a tree, -rain @AYA", "aya", ("a tree",), ("rain",)),
        ("a tree @aya beside it", "aya", ("a tree beside it",), ()),
        ("@aya @Aya, @AYA", "aya", (), ()),
        ("@Aya's red coat", "aya", ("red coat",), ()),
        ("@x-ray_2 waving", "x-ray_2", ("waving",), ()),
        ("x-ray, a - b", "", ("x-ray", "a - b"), ()),
        ("a, -, --, - -, ,b", "", ("a", "b"), ()),
        ("--rain, - - fog", "", (), ("rain", "fog")),
        ("- rain", "", (), ("rain",)),
        ("-@aya", "", (), ("@aya",)),  # refused, so not drawn
        ("\u2013 @aya", "", (), ("@aya",)),
        ("-(@aya)", "", (), ("(@aya:1.1)",)),
        ("-a hat of @aya", "aya", (), ("a hat of",)),
        ("beach, \u2013rain", "", ("beach",), ("rain",)),
        (
            "beach, \u2014rain, \u2212fog, \u2011snow, \u2010hail",
            "",
            ("beach",),
            ("rain", "fog", "snow", "hail"),
        ),
        ("beach, \u2013 rain", "", ("beach",), ("rain",)),
        ("海辺、\uff0d雨", "", ("海辺",), ("雨",)),
        ("car\n-rain\n-fog, snow", "", ("car", "snow"), ("rain", "fog")),
        (
            "the years 1990\u20132000, T-34, close-up",
            "",
            ("the years 1990\u20132000", "T-34", "close-up"),
            (),
        ),
        ("浜辺。@aya", "aya", ("浜辺。",), ()),
        ("（@aya）海滩", "aya", ("海滩",), ()),
        ("@ayaが手を振る", "aya", ("が手を振る",), ()),
        ("海滩\uff20ａｙａ散步", "aya", ("海滩 散步",), ()),
        ("@aya: waving", "aya", ("waving",), ()),
        ("@aya.", "aya", (), ()),
        ("[@aya], ((@aya:1.2)), \u201c@aya\u201d", "aya", (), ()),
        ("(@aya waving)", "aya", ("(waving:1.1)",), ()),
        ("@aya :3", "aya", (":3",), ()),
        ("beach.@aya", "aya", ("beach.",), ()),
        ("1girl, :3, ^_^, looking_at_viewer", "", ("1girl", ":3", "^_^", "looking_at_viewer"), ()),
        ("write to joe@aya.com", "", ("write to joe@aya.com",), ()),
        ("write to joe@aya", "", ("write to joe@aya",), ()),
        ("@, @ aya, @@aya", "aya", ("@", "@ aya"), ()),
        ("(@aya:1.2) tree", "aya", ("tree",), ()),
        ("@aya@aya", "aya", (), ()),
        ("one\ntwo\t three,\nfour", "", ("one", "two three", "four"), ()),
        ("a，b、-c", "", ("a", "b"), ("c",)),
        ("tr\x00ee\u202e, \x07", "", ("tree",), ()),
        ("\u200b@aya", "aya", (), ()),
        ("a, A, a", "", ("a", "A", "a"), ()),
    ],
)
def test_parsed(text: str, character: str, positive: tuple[str, ...], negative: tuple[str, ...]) -> None:
    assert parse(text, CHARACTERS) == Prompt(character, positive, negative)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Prompt is required"),
        (" \n ", "Prompt is required"),
        (", ,，", "Prompt is required"),
        ("-", "Prompt is required"),
        ("\x00\u200b", "Prompt is required"),
        ("x" * (MAX_PROMPT_CHARACTERS + 1), "Prompt is too long"),
        ("@zoe", "Invalid character"),
        ("@ayaé", "Invalid character"),
        ("@aya-", "Invalid character"),
        ("@ayako", "Invalid character"),
        ("@aya:1.2@zoe", "Invalid character"),
        ("@zoe @aya", "Invalid character"),
        ("@aya @bella", "Only one character per prompt"),
        ("@aya@bella", "Only one character per prompt"),
        ("@aya, -rain @bella", "Only one character per prompt"),
        ("tree \ud83d", "Invalid prompt: expected valid Unicode text"),
    ],
)
def test_refused_with_the_words_of_the_api(text: str, message: str) -> None:
    with pytest.raises(ApiError) as refusal:
        parse(text, CHARACTERS)
    assert (refusal.value.status, refusal.value.message) == (400, message)


def test_refused_name_is_told_with_those_that_exist() -> None:
    with pytest.raises(ApiError) as refusal:
        parse("@ayako waving", CHARACTERS)
    assert refusal.value.detail == "There is no @ayako; this model's characters: @aya, @bella, @x-ray_2"


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("car\n-rain\nhat", ["rain"]),
        ("car, \u2013 heavy  rain \r\n\n hat\n-fog\nsun", ["heavy rain", "fog"]),
        ("car\n-rain,\nhat", []),
        ("car\n-rain\n", []),
        ("car\nhat", []),
    ],
)
def test_refusal_that_its_line_ended_is_told(text: str, terms: list[str]) -> None:
    assert [note.split('"')[1] for note in read(text, ()).notes] == [f"-{term}" for term in terms]


@pytest.mark.parametrize(
    ("prompt", "canonical"),
    [
        (Prompt("aya", ("tree", "sun"), ("rain", "fog")), "@aya tree, sun, -rain, -fog"),
        (Prompt("", ("tree",), ()), "tree"),
        (Prompt("aya", (), ("rain",)), "@aya, -rain"),
        (Prompt("aya", (), ()), "@aya"),
        (Prompt("", (), ("rain",)), "-rain"),
    ],
)
def test_canonical_form(prompt: Prompt, canonical: str) -> None:
    assert canonical_form(prompt) == canonical


def test_length_is_counted_after_trimming() -> None:
    text = "x" * MAX_PROMPT_CHARACTERS
    assert parse(f"  {text} \n", CHARACTERS).positive == (text,)


def test_canonical_form_of_thousands_of_terms_is_not_too_long() -> None:
    prompt = parse("a," * 1_999, CHARACTERS)
    assert parse(canonical_form(prompt), CHARACTERS) == prompt


def test_glued_name_with_no_room_for_a_space_is_too_long() -> None:
    text = "@aya(" + "x" * (MAX_PROMPT_CHARACTERS - 5)
    with pytest.raises(ApiError, match="Prompt is too long"):
        parse(text, CHARACTERS)


@pytest.mark.parametrize(
    ("character", "positive", "negative"),
    [
        ("", (), ()),
        ("Aya", ("tree",), ()),
        ("a b", ("tree",), ()),
        ("", ("a, b",), ()),
        ("", ("-a",), ()),
        ("", ("@aya",), ()),
        ("aya", ("@bella",), ()),
        ("", ("a\x00",), ()),
        ("", ("\ud83d",), ()),
        ("", ("",), ()),
        ("", ("a",), ("-b",)),
        ("", ("x" * (MAX_PROMPT_CHARACTERS + 1),), ()),
    ],
)
def test_prompt_that_could_not_be_written_down_cannot_be_made(
    character: str, positive: tuple[str, ...], negative: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError):
        Prompt(character, positive, negative)


def test_composed_in_the_documented_order() -> None:
    composed = compose(Prompt("aya", ("tree",), ("rain",)), ("fog", "snow"), MODEL, STYLE, AYA)
    assert composed.positive == "drawing of aya, red scarf, tree, clean lines, Sharp, best quality"
    assert composed.negative == "blurry, lowres, grain, blue scarf, rain, fog, snow"


def test_term_that_is_wanted_and_unwanted_stays_on_both_sides() -> None:
    composed = compose(Prompt("", ("rain",), ("rain",)), (), MODEL, STYLE, None)
    assert composed.positive.startswith("rain, ")
    assert composed.negative.endswith(", rain")


def test_nothing_to_add_leaves_no_commas() -> None:
    bare = Model(
        name="bare",
        label="Bare",
        default_style="plain",
        steps=8,
        guidance=3.0,
        styles={"plain": Style(name="plain", label="Plain")},
    )
    composed = compose(Prompt("", ("tree",), ()), refused_terms(" , ,"), bare, bare.styles["plain"], None)
    assert (composed.positive, composed.negative) == ("tree", "")


@pytest.mark.parametrize("negative", ["x" * (MAX_PROMPT_CHARACTERS + 1), "\ud83d"])
def test_bad_explicit_negative_is_refused(negative: str) -> None:
    with pytest.raises(ApiError, match="Invalid negative: expected") as refusal:
        refused_terms(negative)
    assert refusal.value.status == 400


def test_the_longest_texts_that_can_be_composed_are_taken_by_triton_and_the_reviewer() -> None:
    letters = iter(map(chr, range(0x4E00, 0x9FFF)))

    def full(length: int = MAX_PROMPT_CHARACTERS) -> str:
        """As many different terms as fit, which gain a space each."""
        return ",".join(next(letters) for _ in range((length + 1) // 2))

    style = msgspec.structs.replace(STYLE, positive=full(), negative=full())
    model = msgspec.structs.replace(MODEL, negative=full(), quality=full())
    character = msgspec.structs.replace(AYA, trigger=full(200), positive=full(), negative=full())
    asked = [full(), ",".join(f"-{next(letters)}" for _ in range(MAX_PROMPT_CHARACTERS // 3))]
    for text in asked:
        prompt = parse(text, ())
        composed = compose(prompt, refused_terms(full()), model, style, character)
        assert max(len(composed.positive), len(composed.negative)) > 20_000
        assert max(len(composed.positive), len(composed.negative)) <= MAX_COMPOSED_CHARACTERS
        reviewed = {"prompt": text, "positive": composed.positive, "negative": composed.negative}
        msgspec.convert(body(**reviewed, drawn=composed.positive), ReviewRequest)
