"""Scores the demo model on a held-out prompt list: `python -m demo.evaluate`. See demo/README.md.

A server must be running, such as that of `make up`, and its key in IMGEN_API_KEY. The classifier that judges
the pictures is trained first, from the generator's alone, and must be right about them before it may judge.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from demo.evaluation import classifier
from demo.evaluation.classifier import Classifier
from demo.evaluation.labels import ONE_OF_FOUR
from demo.evaluation.questions import HELD_OUT, Question, everywhere, negatives, questions
from demo.evaluation.server import Server
from demo.scenes.scene import Choice
from demo.scenes.sheet import sheet
from demo.training.choices import CHOICES
from demo.training.workplace import BUILD

PICTURES, EPOCHS, CALIBRATED = 10_000, 5, 1_500
NEEDED = 0.95
"""What the classifier must reach on the generator's own pictures to be believed."""
SHEET = Path(__file__).parents[1] / "docs" / "pictures" / "evaluation.jpg"
OTHER_AIMS = {"negative_leak": "< 10%", "shown_without_negative": "≥ 50%"}
EVERYWHERE = "everywhere"
"""Ending of the scores of each character in each setting and style."""
AIMS = {"subject": 0.95, "object_colour": 0.92, "setting": 0.97, "style": 0.95, "character": 0.95}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", choices=tuple(CHOICES), default="cpu")
    parser.add_argument("--count", type=int, default=200, help="prompts of the held-out list to draw")
    parser.add_argument(
        "--negatives", type=int, default=60, help="prompts to draw with and without a negative"
    )
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="server to draw with")
    parser.add_argument(
        "--classifier-only", action="store_true", help="train and calibrate the judge, no more"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    judge = open_judge(options.config)
    if not options.classifier_only:
        server = Server(options.url.rstrip("/"), os.environ["IMGEN_API_KEY"])
        choice = CHOICES[options.config]
        held_out, all_pairs = list(questions(options.count)), list(everywhere(choice))
        pictures = server.draw_all(held_out)
        sheet(pictures[:48], 6, SHEET, 260)
        sheet(pictures, 10, BUILD / f"{HELD_OUT.stem}.jpg", 400)
        said = judge.say(pictures)
        write_mistakes(held_out, said, BUILD / f"{HELD_OUT.stem}-mistakes.tsv")
        scores = score_answers(said, held_out, (*AIMS, ONE_OF_FOUR))
        pictures = server.draw_all(all_pairs)
        sheet(pictures, 2 * len(choice.styles), BUILD / f"{EVERYWHERE}.jpg", 260)
        found = score_answers(judge.say(pictures), all_pairs, ("character", "setting", "style"))
        scores |= {f"{name}_{EVERYWHERE}": score for name, score in found.items()}
        scores |= judge_negatives(judge, server, list(negatives(choice, options.negatives)))
        show(scores)
        print(json.dumps({name: round(value, 4) for name, (value, _) in scores.items()}))


def open_judge(config: str) -> Classifier:
    """Trained once, then read; examined each time, since scenes may have changed. Raises SystemExit where it
    cannot be believed."""
    path, choice = classifier.released(config), CHOICES[config]
    judge = classifier.load(path, choice) if path.exists() else train_judge(path, choice)
    found = classifier.calibrate(judge, choice, CALIBRATED)
    print("judge on the generator's own held-out pictures:", {key: round(x, 4) for key, x in found.items()})
    if any(found[name] < NEEDED for name in AIMS):
        raise SystemExit(f"{path}: not right in {NEEDED:.0%} of the generator's own pictures; delete it")
    return judge


def train_judge(path: Path, choice: Choice) -> Classifier:
    torch.manual_seed(0)
    judge = Classifier(choice)
    pictures, labels = classifier.examples(classifier.TRAIN_SEED, PICTURES, choice)
    steps = EPOCHS * (PICTURES // classifier.BATCH)
    for _ in track(classifier.train(judge, pictures, labels, EPOCHS), "judge", steps):
        pass
    classifier.save(judge, path)
    return judge


Score = tuple[float, int]
"""A share, and of how many."""


Answers = Mapping[str, str]
"""The judge's about one picture, by its questions."""


def score_answers(said: Sequence[Answers], asked: list[Question], names: tuple[str, ...]) -> dict[str, Score]:
    """By the questions' `names`."""
    scores = {}
    for name in names:
        right = [
            answer[name] == question.expected[name]
            for question, answer in zip(asked, said, strict=True)
            if name in question.expected
        ]
        scores[name] = (sum(right) / len(right), len(right))
    return scores


def write_mistakes(asked: list[Question], said: Sequence[Answers], path: Path) -> None:
    """Of each: its number in `held_out.jpg`, row by row from 0, what was asked for and what the judge saw."""
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, delimiter="\t")
        lines.writerow(("number", "prompt", "style", "question", "right", "judged"))
        for number, (question, answer) in enumerate(zip(asked, said, strict=True)):
            for name, right in question.expected.items():
                if answer[name] != right:
                    lines.writerow((number, question.prompt, question.style, name, right, answer[name]))


def judge_negatives(
    judge: Classifier, server: Server, pairs: list[tuple[Question, Question]]
) -> dict[str, Score]:
    """How often the unwanted thing still shows, among the prompts that showed it without the negative."""
    plain, denied = (server.draw_all([pair[which] for pair in pairs]) for which in (0, 1))
    sheet([one for pair in zip(plain, denied, strict=True) for one in pair], 6, BUILD / "negatives.jpg", 400)
    shown, leaked = 0, 0
    for (question, _), before, after in zip(pairs, judge.say(plain), judge.say(denied), strict=True):
        name = next(iter(question.expected))
        shown += before[name] == "with"
        leaked += before[name] == "with" and after[name] == "with"
    return {
        "negative_leak": (leaked / max(shown, 1), shown),
        "shown_without_negative": (shown / len(pairs), len(pairs)),
    }


def show(scores: dict[str, Score]) -> None:
    table = Table("what", "share", "± (95 %)", "of", "aim")
    for name, (value, count) in scores.items():
        margin = 1.96 * math.sqrt(value * (1 - value) / max(count, 1))
        wanted = AIMS.get(name.removesuffix(f"_{EVERYWHERE}"))
        aim = f"≥ {wanted:.0%}" if wanted else OTHER_AIMS.get(name, "")
        table.add_row(name, f"{value:.1%}", f"{margin:.1%}", str(count), aim)
    Console().print(table)


if __name__ == "__main__":
    main()
