"""Refusals as keyboards, lists, quotation marks, labels and other programs write them."""

import pytest

from frontend.prompts.prompt import format as canonical_form
from frontend.prompts.prompt import parse, read


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        # What a keyboard has on the dash's key, and what looks like a dash
        ("車、ー雨", "車, -雨"),
        ("車､-雨", "車, -雨"),
        ("차, ㅡ비", "차, -비"),
        ("car, ➖️rain", "car, -rain"),
        ("car, ⸺rain", "car, -rain"),
        ("car, ─rain", "car, -rain"),
        ("car﹐-rain", "car, -rain"),
        ("car, ーrain\n・ー雨", "car, -rain, -雨"),
        # Nothing that can be seen
        ("car,\u200d-rain", "car, -rain"),
        ("car,\u3164-rain", "car, -rain"),
        ("car,\ufe0f-rain", "car, -rain"),
        ("car, (\u200d-rain)", "car, -(rain:1.1)"),
        # Lists
        ("• beach\n• –rain\n• tree", "beach, tree, -rain"),
        ("* car\n* -rain", "car, -rain"),
        ("1. car\n2. -rain\n3) -hat", "1. car, -rain, -hat"),
        ("car<br>-rain<br/>tree", "car, tree, -rain"),
        (r"car\n-rain\ntree", "car, tree, -rain"),
        ("car; -rain", "car, -rain"),
        ("车；-雨，帽子", "车, 帽子, -雨"),
        ("سيارة؛ -مطر", "سيارة, -مطر"),
        ("गाड़ी। -बारिश", "गाड़ी।, -बारिश"),
        ("a car. -rain", "a car., -rain"),
        ("car | -rain", "car, -rain"),
        # In marks
        ("car, '-rain'", "car, -rain"),
        ('"car", "-rain"', '"car", -rain'),
        ("car, “-rain”, hat", "car, hat, -rain"),
        ("car, `-rain`", "car, -rain"),
        ("car, 【-rain】, **-hat**", "car, -rain, -hat"),
        ("car, -'rain, hat'", "car, -rain, -hat"),
        ("car, -`rain, hat`, tree", "car, tree, -rain, -hat"),
        ("car, -【rain, hat】", "car, -rain, -hat"),
        # Weights below 0
        ("car, (rain:−1)", "car, -rain"),
        ("car, (rain:–0.5)", "car, -(rain:0.5)"),
        ("car::1 rain::−1", "car, -rain"),
        # Parameters
        ("car --NO rain", "car, -rain"),
        ("car --No rain, hat", "car, -rain, -hat"),
        ("car --not rain, hat", "car, -rain, -hat"),
        ("car --without rain, hat", "car, -rain, -hat"),
        ("car --exclude rain", "car, -rain"),
        ("car −−no rain", "car, -rain"),
        ("car ‑‑no rain, hat", "car, -rain, -hat"),
        ("car －－no rain", "car, -rain"),
        ("car, --ar16:9", "car"),
        ("car, --AR 16:9", "car"),
        ("car --no rain\u2028hat", "car, hat, -rain"),
        ("car --no, rain", "car, -rain"),
        ("car -no rain, hat", "car, -rain, -hat"),
        ("car -neg rain, hat --ar 1:1", "car, -rain, -hat"),
        ("car -without rain", "car, -rain"),
        ("car﹐--ar 16:9", "car"),
        ('car --negative_prompt "rain, hat" --W 512', "car, -rain, -hat"),
        # Weights of NovelAI to the end, and of AND without a space
        ("car, -1::rain, hat", "car, -rain, -hat"),
        ("1.2::car, tree", "(car:1.2), (tree:1.2)"),
        ("car AND rain:-1", "car, -rain"),
        ("car AND_PERP rain :-1", "car, -rain"),
        ("（-rain)，car", "car, -rain"),
    ],
)
def test_refusal_is_one_whatever_stands_around_its_dash(text: str, canonical: str) -> None:
    assert canonical_form(parse(text, ())) == canonical
    assert canonical_form(parse(canonical, ())) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "car\n**Negative:** rain, hat",
        "### Prompt\ncar\n### Negative\nrain, hat",
        "**Positive**\ncar\n\n**Negative**\nrain, hat",
        "Prompt\ncar\nNegative prompt\nrain, hat",
        "parameters\n\ncar\nNegative prompt: rain, hat",
        "### Positive prompt\ncar\n### Negative prompt\nrain, hat",
        "Positive prompt\ncar\n\nNegative prompt\nrain, hat",
        "Positive: car\nNegative: rain, hat",
        "car, Negative prompt rain, hat",
        "car, negative prompt = rain, hat",
        "Negative prompt - rain, hat\nPrompt: car",
        "car | negative: rain, hat",
        "car (negative: rain, hat)",
        "car\nUndesired Content: rain, hat\nSteps: 28, Sampler: k_euler",
        "car\nUC: rain, hat",
        "car\nAvoid: rain, hat",
        "car. Exclude: rain, hat",
        "prompt='car', negative_prompt='rain, hat', num_inference_steps=20",
        '{"prompt": "car", "negative_prompt": "rain, hat", "steps": 20, "seed": 4}',
        '{"uc": "rain, hat", "prompt": "car", "steps": 28}',
        '{"Prompt": "car", "Negative Prompt": "rain, hat", "Styles": "[]", "Performance": "Speed"}',
        'car\nNegative prompt: rain, hat\nSteps: 20, Civitai resources: [{"type":"checkpoint","id":1}]',
        "car\u2028Negative: rain, hat",
        "car\n負面提示詞：rain, hat",
        "car\n네거티브 프롬프트: rain, hat",
        "car\nНегативный промпт: rain, hat",
    ],
)
def test_negatives_under_a_label_are_refused_and_settings_left_out(text: str) -> None:
    prompt = parse(text, ())
    assert [term.rstrip(".;") for term in prompt.positive] == ["car"]
    assert prompt.negative == ("rain", "hat")


def test_dashes_apart_are_one_refusal_and_nothing_to_tell() -> None:
    reading = read("car, - - -rain", ())
    assert (canonical_form(reading.prompt), reading.notes) == ("car, -rain", ())


def test_object_in_json_tells_what_is_left_out_of_it() -> None:
    reading = read('{"prompt": "car", "negative_prompt": "rain", "steps": 20}', ())
    assert canonical_form(reading.prompt) == "car, -rain"
    assert any("steps" in note for note in reading.notes)


@pytest.mark.parametrize("text", ["a car -rain", "a car, a red hat –rain", "car -rain -hat"])
def test_dash_within_a_term_is_text_and_told(text: str) -> None:
    reading = read(text, ())
    assert canonical_form(reading.prompt) == text
    assert any("behind a comma" in note for note in reading.notes)


@pytest.mark.parametrize("text", ["car:1.2, tree", "car, rain:-1.5", "(car):1.3 tree, (hat):1.3"])
def test_weight_without_brackets_is_text_and_told(text: str) -> None:
    assert any("weights stand in brackets" in note for note in read(text, ()).notes)


@pytest.mark.parametrize(
    "text",
    [
        "f:1.8 lens, ISO:100, 5:30, 16:9",
        "コーヒー, ラーメン",
        "ㅡㅡ, ㅡㅅㅡ",
        "ー_ー",
        "👨\u200d👩\u200d👧, ☂️ umbrella",
        "می\u200cخواهم",
        r"C:\new\-folder",
        "car, -_-, (-_-)",
        "-.-",
        r"https://example.com/\(a\)?x=\[2\]",
        'a sign that says "-20 °C"',
        "cold; -20 °C",
        'a card that says "Love; -Mom"',
        "a card that says “Stop! –Bob”, 「海。-山」",
        "the years 1990–2000, x-ray, a - b",
        "*-*, '-'",
        "#1, 50% off; a * b",
        "a negative space composition, positive mood",
        '{"a"',
        "{}",
    ],
)
def test_what_refuses_nothing_stays_as_it_is(text: str) -> None:
    reading = read(text, ())
    assert (canonical_form(reading.prompt), reading.notes) == (text, ())


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("a (red)(car)", "a (red:1.1) (car:1.1)"),
        ("[prompt] car, (negative:1.2) space", "(prompt:0.9091) car, (negative:1.2) space"),
        ("see https://example.com/(a)?x=[2], car", r"see https://example.com/\(a\)?x=\[2\], car"),
        ("car, embedding:easy:1.2", "car"),
        ("car, {embedding:easy}", "car"),
        ("/imagine car", "car"),
        ("!dream a car", "a car"),
        ("(car：1.2), （tree：1.2)", "(car:1.2), (tree:1.2)"),
        ("(car:１.２)", "(car:1.2)"),
    ],
)
def test_no_rest_of_syntax_is_drawn(text: str, canonical: str) -> None:
    assert canonical_form(parse(text, ())) == canonical


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("car\nNegative prompt: (rain:1.2), hat\nSteps: 20, Seed: 1", "car, -(rain:1.2), -hat"),
        ("car\nNegative prompt: [rain], (hat)", "car, -(rain:0.9091), -(hat:1.1)"),
        ('car\nNegative prompt: "rain"', "car, -rain"),
        ("car\n(negative prompt: rain, hat)", "car, -rain, -hat"),
    ],
)
def test_brackets_behind_a_label_are_the_prompts_own(text: str, expected: str) -> None:
    assert canonical_form(parse(text, ())) == expected
