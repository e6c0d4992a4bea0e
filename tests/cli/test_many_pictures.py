"""`imgen generate` for many pictures: counts, files of prompts, names, and going on after an interrupt."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from frontend.settings import ROOT
from tests.cli.server import Answer, meta_of, serving

DRAWING: Answer = (200, {"status": "IN_PROGRESS", "progress": 0.5})


@dataclass
class Studio:
    """A server that makes a picture of each key of idempotency, once."""

    jobs: dict[str, str] = field(default_factory=dict)  # key → id
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)  # by id
    asked: Counter[str] = field(default_factory=Counter)
    blocked: frozenset[str] = frozenset()  # prompts
    slow: threading.Event | None = None  # jobs are done once it is set

    def answer(self, body: dict[str, Any], url: str) -> Answer:
        self.asked[body["action"]] += 1
        if body["action"] == "generate":
            job = self.jobs.setdefault(body["idempotency_key"], f"run_{len(self.jobs) + 1}")
            self.orders[job] = body
            return 200, {"id": job}
        if body["action"] == "cancel":
            return 200, {"status": "CANCELLED"}
        prompt = self.orders[body["id"]]["prompt"]
        if prompt in self.blocked:
            told = {"compliance": "unsafe", "error": "Content blocked", "filter_categories": ["gore"]}
            return 200, {"status": "COMPLETED", **told}
        if self.slow and not self.slow.is_set() and prompt != "first":
            return DRAWING
        meta = meta_of(prompt, f"{url}/picture", int(body["id"].removeprefix("run_")))
        return 200, {"status": "COMPLETED", "meta": meta | {"seed": self.orders[body["id"]].get("seed", 7)}}


def generate(url: str, *words: str) -> int:
    return main(["generate", *words, "--url", url, "--key", "k"])


def test_count_draws_with_a_seed_each_into_files_of_their_own(tmp_path: Path) -> None:
    studio = Studio()
    with serving(studio.answer) as url:
        name = str(tmp_path / "{number}-{seed}-{gen_id}.{ext}")
        assert generate(url, "a cat", "--count", "3", "--seed", "5", "-o", name) == 0
    assert sorted(order["seed"] for order in studio.orders.values()) == [5, 6, 7]
    names = sorted(path.name for path in tmp_path.iterdir())
    assert [name[:4] for name in names] == ["1-5-", "2-6-", "3-7-"]
    assert all(name.endswith(".webp") for name in names)


def test_json_is_a_line_for_each_picture_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("a cat\n\n  ein Bär \ngore\n".encode())))
    with serving(Studio(blocked=frozenset({"gore"})).answer) as url:
        assert generate(url, "-", "--json", "-o", str(tmp_path / "{number}.webp")) == 1
    told = {line["number"]: line for line in map(json.loads, capsys.readouterr().out.splitlines())}
    assert [told[number]["prompt"] for number in (1, 2, 3)] == ["a cat", "ein Bär", "gore"]
    assert told[2]["file"] == str(tmp_path / "2.webp") and told[2]["meta"]["seed"] == 7
    assert told[3]["error"] == "Content blocked" and told[3]["categories"] == ["gore"]


def test_file_of_prompts_goes_on_where_it_was_stopped_and_draws_nothing_twice(tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("first\nsecond\nsecond\n")
    out = tmp_path / "out"
    out.mkdir()
    studio = Studio(slow=threading.Event())
    with serving(studio.answer) as url:
        words = ["--file", str(prompts), "-o", str(out / "{number}.webp"), "--url", url, "--key", "k"]
        command = [sys.executable, "-m", "cli.main", "generate", *words]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        while not (out / "1.webp").exists() or len(studio.jobs) < 3:
            assert process.poll() is None
        os.kill(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (130, "stopped; the same command goes on from here\n")
        assert (tmp_path / "prompts.txt.orders").exists() and "cancel" not in studio.asked
        assert studio.slow
        studio.slow.set()
        again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert again.returncode == 0, again.stderr
    assert again.stderr.startswith("1 of 3 are drawn already\n")
    assert sorted(path.name for path in out.iterdir()) == ["1.webp", "2.webp", "3.webp"]
    assert len(studio.jobs) == 3
    assert not (tmp_path / "prompts.txt.orders").exists()


def test_what_failed_is_tried_anew_by_the_same_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a cat\ngore\n")
    studio = Studio(blocked=frozenset({"gore"}))
    words = ["--file", str(prompts), "-o", str(tmp_path / "{gen_id}.{ext}")]
    with serving(studio.answer) as url:
        assert generate(url, *words) == 1
        assert "1 of 2 could not be drawn; the same command tries them anew" in capsys.readouterr().err
        studio.blocked = frozenset()
        assert generate(url, *words) == 0
    assert len(studio.jobs) == 3  # the cat once
    assert len(list(tmp_path.glob("*.webp"))) == 2


def test_journal_that_was_cut_off_in_a_line_is_read(tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a cat\ngore\n")
    journal = tmp_path / "prompts.txt.orders"
    studio = Studio(blocked=frozenset({"gore"}))
    words = ["--file", str(prompts), "-o", str(tmp_path / "{gen_id}.{ext}")]
    with serving(studio.answer) as url:
        assert generate(url, *words) == 1
        journal.write_bytes(journal.read_bytes() + b'{"saved": "ab')
        studio.blocked = frozenset()
        assert generate(url, *words) == 0
    assert len(studio.jobs) == 3 and not journal.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["a", "-n", "2", "-o", "x.jpg"],
            "-o x.jpg: all would have one name; put {number} or ",
        ),
        (["a", "-o", "{size}.jpg"], "-o {size}.jpg: {size} is no field; there are {gen_id}, {number}, "),
        (["a", "-o", "{.jpg"], "-o {.jpg: {} is no field"),
        (["a", "-o", "{gen_id}/x.jpg"], "-o {gen_id}/x.jpg: fields go into the name of the file"),
        (["a", "-o", "x.jpg", "--format", "png"], "--format png: the name given with -o says jpeg"),
        (["a", "-n", "101"], "--count 101: expected 1 to 100"),
        (["a", "--file", "x"], "give a prompt or --file, not both"),
        (["--file", "no-such-file"], "cannot read no-such-file: No such file or directory"),
        ([], "say what to draw"),
        (["a", "--seed", "-7"], "--seed -7: expected 0 to "),
    ],
)
def test_mistakes_are_told_before_anything_is_asked(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generate("http://127.0.0.1:1", *words) == 2
    assert capsys.readouterr().err.startswith(f"imgen: {message}")


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "has no prompts; expected one a line"), (b"\xff\xfe", "is not UTF-8 text")],
)
def test_file_without_prompts_is_told(
    data: bytes, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "prompts.txt"
    file.write_bytes(data)
    assert generate("http://127.0.0.1:1", "--file", str(file)) == 2
    assert capsys.readouterr().err == f"imgen: {file} {message}\n"
