"""What a command says while something takes long: one line with a sign of life, elsewhere one line."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text


@contextmanager
def stage(out: Console, words: str) -> Iterator[None]:
    if out.is_terminal:
        with out.status(Text(words)):
            yield
    else:
        out.print(words)
        yield
