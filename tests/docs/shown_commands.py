"""The commands that README and docs show: lines of shell in indented or fenced blocks."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = (".", "deploy", "demo", "perf", "perf/gpu")
LEFT_OUT = ("CHANGELOG.md", "NOTICE-THIRD-PARTY.md", "MODEL_CARD.md")
SHELL = ("", "sh", "bash", "shell", "console")
NO_SHELL = re.compile(r"[─│▲▼└├→]|──>")  # a diagram
# Perhaps settings before it; then a program in lower case, or a shell's own words.
COMMAND = re.compile(
    r"(?:[A-Z_]+=\S+ +)*\$? *(?:\(umask \d+; )?"
    r"(?:[a-z.][\w.+-]*(?:/[\w.+-]+)*(?:\(\))?(?= |$)|[A-Z]+=\$\()"
)
WORDS = re.compile(r"\s+# |(?<=\S) {3,}(?=[^\[ ])")  # that explain a command, after it
NO_PROGRAM = re.compile(r"[\w./-]+/ |[\w/-]+\.(?:py|json|yaml|md|toml) ")  # a listing of files


def documents() -> list[Path]:
    found = {path for folder in FOLDERS for path in (ROOT / folder).glob("*.md")}
    return sorted(path for path in found | set((ROOT / "docs").rglob("*.md")) if path.name not in LEFT_OUT)


def commands(text: str) -> list[str]:
    """One a line, without the words that explain it; lines that end in a backslash are joined."""
    return [command for block in blocks(text) for command in _of_block(block)]


def _of_block(block: list[str]) -> Iterator[str]:
    if any(NO_SHELL.search(line) for line in block):
        return
    for line in re.sub(r"\\\n\s*", " ", "\n".join(block)).splitlines():
        if not line.startswith(" ") and COMMAND.match(line) and not NO_PROGRAM.match(line):
            yield " ".join(WORDS.split(line)[0].split()).removeprefix("$ ")


def blocks(text: str) -> Iterator[list[str]]:
    """Without their indentation. A block in another language than the shell is left out."""
    fence: str | None = None
    block: list[str] = []
    before = ""
    for line in [*text.splitlines(), ""]:
        mark = re.match(r" *```(\w*)", line)
        if mark:
            fence = mark[1] if fence is None else None
        indented = fence is None and line.startswith("    ") and (block or not before.strip())
        if not mark and (indented or (fence in SHELL and line.strip())):
            block.append(line)
        elif block:
            yield _outdented(block)
            block = []
        before = line


def _outdented(block: list[str]) -> list[str]:
    depth = min(len(line) - len(line.lstrip()) for line in block)
    return [line[depth:] for line in block]
