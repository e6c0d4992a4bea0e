from __future__ import annotations

import csv
from pathlib import Path

from demo.evaluate import score_answers, write_mistakes
from demo.evaluation.questions import Question

ASKED = [
    Question("a red car", "neon", 0, {"subject": "car", "object_colour": "red"}),
    Question("the sea", "neon", 1, {"setting": "beach"}),
]
SAID = [
    {"subject": "bus", "object_colour": "red", "setting": "city"},
    {"subject": "boat", "object_colour": "blue", "setting": "beach"},
]


def test_only_what_a_prompt_says_is_scored() -> None:
    names = ("subject", "object_colour", "setting")
    assert score_answers(SAID, ASKED, names) == {
        "subject": (0, 1),
        "object_colour": (1, 1),
        "setting": (1, 1),
    }


def test_mistakes_tell_the_picture_and_what_was_seen(tmp_path: Path) -> None:
    write_mistakes(ASKED, SAID, tmp_path / "mistakes.tsv")
    with (tmp_path / "mistakes.tsv").open(encoding="utf-8", newline="") as lines:
        (mistake,) = csv.DictReader(lines, delimiter="\t")
    assert mistake == {
        "number": "0",
        "prompt": "a red car",
        "style": "neon",
        "question": "subject",
        "right": "car",
        "judged": "bus",
    }
