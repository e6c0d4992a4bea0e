"""What users are told to run or to copy exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAKE = (ROOT / "Makefile").read_text() + (ROOT / "perf" / "bench.mk").read_text()
SUFFIXES = (".py", ".md", ".service", ".yaml")
# `make TARGET` between backquotes, or as a line of a listing. `…` stands for the rest of a name.
TOLD = re.compile(r"(?:`|^ {4})make ((?:[a-z][a-z-]*(?![…\w=-]) ?)+)", re.MULTILINE)


def texts() -> list[Path]:
    folders = ("cli", "deploy", "docs", "embedded", "export", "frontend", "perf")
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.*") if path.suffix in SUFFIXES]
    return [*ROOT.glob("*.md"), ROOT / "Dockerfile", *found]


def test_every_script_and_make_target_that_is_named_exists() -> None:
    missing = []
    for path in texts():
        text = path.read_text(errors="replace")
        missing += [
            f"{path}: {name}" for name in re.findall(r"\bscripts/[\w-]+", text) if not (ROOT / name).exists()
        ]
        targets = {name for told in TOLD.findall(text) for name in told.split()}
        missing += [
            f"{path}: make {name}" for name in targets if not re.search(rf"^{name}:", MAKE, re.MULTILINE)
        ]
    assert missing == []


@pytest.mark.parametrize("name", ["models/", "characters/", "random.yaml"])
def test_each_part_of_a_catalogue_is_told_to_be_copied(name: str) -> None:
    assert (ROOT / "demo" / "catalogue" / name).exists()
    readme = (ROOT / "deploy" / "README.md").read_text()
    step = readme[readme.index("## 2.") : readme.index("## 3.")]
    assert f"`{name}" in step
