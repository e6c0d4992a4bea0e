"""What the page says of a prompt, the server says too."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from contract.limits import MAX_PROMPT_CHARACTERS
from frontend.common.errors import ApiError
from frontend.prompts.prompt import Reading, read
from frontend.settings import ROOT
from tests import npm
from tests.programs import needs

CHARACTERS = ("aya", "bella", "mira", "tomo")
# What the page says → what the server answers.
SAME = {
    "Say what": "Prompt is required",
    "This is": "Prompt is too long",
    "There is no": "Invalid character",
    "A prompt can have": "Only one character per prompt",
}
RIGHT = (
    "a red car on the beach",
    "@mira waving, in a meadow, -rain",
    "@MIRA waving",
    "＠mira waving",
    "@mira's hat, -hat",
    "@mira, @mira",
    "(@mira:1.2), a cat",
    "-rain",
    "–rain, —fog",
    "@aya",
    "write to someone@example.com",
    "an x-ray of a hand, co-op",
    "a cat -_-, a dog",
    "miraを描く@mira",
    "@miraを",
    "a cat\n-rain\na dog",
    "a cat， -rain、 a dog",
    "a cat, -@",
    "a @ b",
    "a cat, -@nobody",
    "a portrait\nNegative prompt: @nobody, rain\nSteps: 20",
    "x" * MAX_PROMPT_CHARACTERS,
    "😀" * MAX_PROMPT_CHARACTERS,
)
WRONG = (
    "",
    "   \n ",
    ", ,\n,",
    "@nobody waving",
    "@mira-",
    "@mira and @aya",
    "@mira, @tomo, -rain",
    "@mira@aya",
    "@mirra",
    "@mira_x",
    "x" * (MAX_PROMPT_CHARACTERS + 1),
    "😀" * (MAX_PROMPT_CHARACTERS + 1),
)


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """By text."""
    texts = [*RIGHT, *WRONG]
    program = tmp_path_factory.mktemp("prompts") / "read.mjs"
    esbuild = npm.installed(ROOT / "page") / ".bin" / "esbuild"
    source = Path(__file__).with_name("read_prompts.ts")
    command = [
        str(esbuild),
        str(source),
        "--bundle",
        "--platform=node",
        "--format=esm",
        f"--outfile={program}",
    ]
    subprocess.run(command, check=True, timeout=60, capture_output=True)
    asked = json.dumps({"texts": texts, "characters": CHARACTERS, "most": MAX_PROMPT_CHARACTERS})
    done = subprocess.run(
        [needs("node"), program], input=asked, capture_output=True, text=True, check=True, timeout=60
    )
    return dict(zip(texts, json.loads(done.stdout), strict=True))


def of_server(text: str) -> Reading | str:
    """What is read, or the words of the refusal."""
    try:
        return read(text, CHARACTERS)
    except ApiError as error:
        return error.message


@pytest.mark.parametrize("text", RIGHT, ids=lambda text: repr(text[:30]))
def test_page_finds_nothing_wrong_where_the_server_does_not(
    readings: dict[str, dict[str, Any]], text: str
) -> None:
    assert isinstance(of_server(text), Reading)
    assert readings[text]["problem"] == ""


@pytest.mark.parametrize("text", WRONG, ids=lambda text: repr(text[:30]))
def test_page_says_before_sending_what_the_server_would(
    readings: dict[str, dict[str, Any]], text: str
) -> None:
    problem = readings[text]["problem"]
    assert of_server(text) == next(
        (words for begin, words in SAME.items() if problem.startswith(begin)),
        f"nothing of the kind: {problem}",
    )


@pytest.mark.parametrize(
    ("text", "character", "negatives"),
    [
        ("@mira waving, in a meadow, -rain", "mira", ["rain"]),
        ("–rain, —fog", "", ["rain", "fog"]),
        ("a cat\n-rain\na dog", "", ["rain"]),
        ("an x-ray of a hand, co-op", "", []),
        ("a cat -_-, a dog", "", []),
    ],
)
def test_chips_are_what_the_server_reads(
    readings: dict[str, dict[str, Any]], text: str, character: str, negatives: list[str]
) -> None:
    reading, server = readings[text], of_server(text)
    assert isinstance(server, Reading)
    found = "".join(sorted(set(reading["characters"]))), [term["text"] for term in reading["negatives"]]
    assert found == (character, negatives) == (server.prompt.character, list(server.prompt.negative))
