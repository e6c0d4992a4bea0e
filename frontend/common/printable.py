"""Text of strangers as it may reach a terminal or a log: no control characters, no end."""

import logging
import sys
import traceback
import unicodedata
from types import TracebackType

MAX_LINE_CHARACTERS = 2_000


def printable(text: str) -> str:
    r"""One line: what cannot be printed is written as \x1b or \u202e, and what is too long is cut."""
    cut = f"… ({len(text):,} characters)" if len(text) > MAX_LINE_CHARACTERS else ""
    return _escape(text[:MAX_LINE_CHARACTERS]) + cut


def printable_lines(text: str) -> str:
    """The same of several lines, which stay lines, uncut."""
    return "\n".join(map(_escape, text.split("\n")))


def is_printable(char: str) -> bool:
    """Spaces of every width are, which Python's own test denies."""
    return char.isprintable() or unicodedata.category(char) == "Zs"


def _escape(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(char if is_printable(char) else char.encode("unicode_escape").decode() for char in line)


def print_traceback(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
    """As sys.excepthook: a program's own fault may speak of a file's content."""
    print(printable_lines("".join(traceback.format_exception(kind, error, where))), file=sys.stderr, end="")


class PrintableFormatter(logging.Formatter):
    """Of logs: a record's lines are printable, its traceback's too."""

    def format(self, record: logging.LogRecord) -> str:
        return printable_lines(super().format(record))


def log_to_stderr(level: int | str, lines: PrintableFormatter) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(lines)
    logging.basicConfig(level=level, handlers=[handler])
