"""What `imgen generate` asks a server for, and what it refuses to ask."""

from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from cli.order import move_prompt_last
from tests.cli.server import MODELS, PICTURE, Answer, completed, serving


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["-clouds", "-o", "q.jpg"], ["-o", "q.jpg", "--", "-clouds"]),
        (["-orange trees", "--seed", "7"], ["--seed", "7", "--", "-orange trees"]),
        (["-rain, -clouds"], ["--", "-rain, -clouds"]),
        (["a lake", "-opicture.jpg"], ["a lake", "-opicture.jpg"]),
        (["-h"], ["-h"]),
        (["--seed", "-5", "a lake"], ["--seed", "-5", "a lake"]),
        (["--", "-clouds"], ["--", "-clouds"]),
    ],
)
def test_negative_is_a_prompt_and_no_option(words: list[str], expected: list[str]) -> None:
    assert move_prompt_last(["generate", *words]) == ["generate", *expected]
    assert move_prompt_last(["character", *words]) == ["character", *words]


def test_prompt_of_a_negative_reaches_the_server(tmp_path: Path) -> None:
    bodies: list[dict[str, Any]] = []

    def answer(body: dict[str, Any], url: str) -> Answer:
        bodies.append(body)
        return completed(url) if body["action"] == "status" else (200, {"id": "run_1"})

    with serving(answer) as url:
        output = tmp_path / "q.jpg"
        options = ["-o", str(output), "--size", "1024x1024", "--url", url, "--key", "k"]
        assert main(["generate", "-clouds", *options]) == 0
    assert output.read_bytes() == PICTURE
    assert bodies[0]["prompt"] == "-clouds"
    assert (bodies[0]["width"], bodies[0]["height"], bodies[0]["format"]) == (1024, 1024, "jpeg")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--style", "nope"],
            "imgen: --style nope: expected one of neon, outline; "
            "styles stand in the model's file in the catalogue\n",
        ),
        (
            ["--model", "nope"],
            "imgen: --model nope: expected one of eros; `imgen model add CHECKPOINT --name NAME` adds one\n",
        ),
    ],
)
def test_name_that_the_server_has_not_is_refused_before_anything_is_drawn(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    actions: list[str] = []

    def answer(body: dict[str, Any], url: str) -> Answer:
        actions.append(body["action"])
        return MODELS

    with serving(answer) as url:
        assert main(["generate", "a lake", *options, "--url", url, "--key", "k"]) == 2
    assert capsys.readouterr().err == message
    assert actions == ["models"]
