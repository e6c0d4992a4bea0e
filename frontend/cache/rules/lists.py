"""The files in words/: rows of comma-separated terms; a line that begins with # is a comment."""

from collections.abc import Iterator
from pathlib import Path

WORDS = Path(__file__).with_name("words")


def lines(name: str) -> Iterator[str]:
    for line in (WORDS / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            yield line


def rows(name: str) -> Iterator[tuple[str, list[str]]]:
    """Of lines `head: term, term`."""
    for line in lines(name):
        head, _, listed = line.partition(":")
        yield head.strip(), _split(listed)


def terms(name: str) -> list[str]:
    return [term for line in lines(name) for term in _split(line)]


def _split(text: str) -> list[str]:
    return [term.strip() for term in text.split(",") if term.strip()]
