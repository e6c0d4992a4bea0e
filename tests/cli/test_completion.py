"""`imgen completion`, asked as the shells ask."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from frontend.settings import ROOT
from tests.programs import needs


def offered(line: str, folder: Path) -> list[str]:
    answers = folder / "answers"
    environment = {
        **os.environ,
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answers),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    command = [sys.executable, "-m", "cli.main"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return answers.read_text().split()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("imgen gen", ["generate"]),
        ("imgen generate --st", ["--style"]),
        ("imgen generate --style pa", ["papercut"]),
        ("imgen generate --size 1024x", ["1024x1024"]),
        ("imgen keys di", ["disable"]),
        ("imgen model re", ["remove"]),
    ],
)
def test_what_may_follow(line: str, words: list[str], tmp_path: Path) -> None:
    assert offered(line, tmp_path) == words


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_code_for_each_shell(shell: str) -> None:
    command = [sys.executable, "-m", "cli.main", "completion", shell]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert "imgen" in done.stdout and "_ARGCOMPLETE" in done.stdout


def test_bash_takes_it() -> None:
    code = f'eval "$({sys.executable} -m cli.main completion bash)" && complete -p imgen'
    done = subprocess.run([needs("bash"), "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout.rstrip().endswith(" imgen"), done.stderr
