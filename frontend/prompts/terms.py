"""Terms of a prompt: where one ends, and whether it is something that the picture shall not show."""

import re
from collections.abc import Iterator

_COMMAS = ",\uff0c\u3001\u060c"  # also full-width, ideographic and Arabic
_LINE_BREAKS = "\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029"
# What keyboards and word processors put for a dash: hyphens, figure, en and em dash, bar, minus, and the
# small and full-width forms.
_DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
_END = re.compile(f"[{_COMMAS}{_LINE_BREAKS}]")
_COMMA = re.compile(f"[{_COMMAS}]")
DASH = re.compile(f"[{_DASHES}]")


def raw_terms(text: str) -> Iterator[tuple[int, str]]:
    """Where each begins, and what it says, space and all; empty ones too."""
    begin = 0
    for match in _END.finditer(text):
        yield begin, text[begin : match.start()]
        begin = match.end()
    yield begin, text[begin:]


def split(text: str) -> tuple[str, ...]:
    """The terms with single spaces; empty ones left out."""
    return tuple(filter(None, (" ".join(part.split()) for part in _END.split(text))))


def is_negative(term: str) -> bool:
    return bool(DASH.match(term.lstrip()))


def strip_dashes(term: str) -> str:
    return term.lstrip(f"{_DASHES} ")


def ended_by_a_line_break(text: str) -> tuple[str, ...]:
    """Negative terms that no comma ends, though another term follows: some mean the next line as well."""
    lines = [line for line in re.split(f"[{_LINE_BREAKS}]+", text) if line.strip()]
    last = (_COMMA.split(line)[-1] for line in lines[:-1])
    return tuple(" ".join(strip_dashes(term.strip()).split()) for term in last if is_negative(term))
