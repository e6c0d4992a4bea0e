"""Terms of a prompt: where one ends, and whether it is something that the picture shall not show."""

import re
from collections.abc import Iterator

from contract.emphasis import COMMAS, DASHES, LINE_BREAKS, plain

END = re.compile(f"[{COMMAS}{LINE_BREAKS}]")
COMMA = re.compile(f"[{COMMAS}]")
DASH = re.compile(f"[{DASHES}]")
_FACE = re.compile("[-\uff0d][_.\uff3f]{1,3}[-\uff0d][^\\w\\s]{0,3}")  # -_-


def raw_terms(text: str) -> Iterator[tuple[int, str]]:
    """Where each begins, and what it says, space and all; empty ones too."""
    begin = 0
    for match in END.finditer(text):
        yield begin, text[begin : match.start()]
        begin = match.end()
    yield begin, text[begin:]


def split(text: str) -> tuple[str, ...]:
    """The terms with single spaces; empty ones left out."""
    return tuple(filter(None, (" ".join(part.split()) for part in END.split(text))))


def is_negative(term: str) -> bool:
    return bool(DASH.match(term.lstrip())) and not _FACE.fullmatch(term.strip())


def refuses(term: str) -> bool:
    """The same of a term whose brackets are still signs."""
    return is_negative(term.lstrip(" \t(["))


def last_term(text: str) -> str:
    """What follows the last comma or line break."""
    ends = [match.end() for match in END.finditer(text)]
    return text[ends[-1] :] if ends else text


def strip_dashes(term: str) -> str:
    return term.lstrip(f"{DASHES} ")


def ended_by_a_line_break(text: str) -> tuple[str, ...]:
    """Negative terms that no comma ends, though a positive one follows: some mean the next line as well."""
    lines = [line for line in re.split(f"[{LINE_BREAKS}]+", text) if line.strip()]
    lasts = (COMMA.split(line)[-1] for line in lines)
    return tuple(
        " ".join(strip_dashes(plain(last).strip()).split())
        for last, line in zip(lasts, lines[1:], strict=False)
        if refuses(last) and not refuses(line)
    )
