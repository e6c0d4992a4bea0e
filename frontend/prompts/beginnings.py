"""Beginnings of terms as keyboards, lists and quotation marks write them: `• -rain`, `ー雨`, `"-rain"`.

A refusal shall not become a wish because something stands before its dash.
"""

import re

from contract.emphasis import COMMAS, DASHES
from frontend.prompts.notes import Tell

_ENDS = COMMAS + r"\n"
_BEGIN = rf"(?:\A|(?<=[{_ENDS}]))[ \t\u3000\xa0]{{0,8}}"
_LETTER = r"[^\W\d_]"
# Shown as a space, or not at all; a joiner or variation selector with nothing before it joins nothing.
_BLANK = re.compile("[\u3164\uffa0\u2800]")
_JOINS_NOTHING = re.compile(
    rf"(?<![^\s{COMMAS}()\[\]{{}}\"'])[\u034f\u061c\u115f\u1160\u180e\u200c\u200d\ufe00-\ufe0f]+"
)
# No word begins with the long vowel of Japanese or the lone vowel of Korean that stand on the dash's key,
# nor with a bar of another kind.
_LOOKS_LIKE_A_DASH = re.compile(
    rf"({_BEGIN})(?:[\u30fc\uff70\u2043\u2e3a\u2e3b\u2796\u02d7\u207b\u208b\u2500\u2501\u23af]\ufe0f?|\u3161)"
    rf"(?=\s?(?![\u3131-\u318e\u30fc])[^\W_])"
)
_WRITTEN_BREAK = re.compile(r"(?<![A-Za-z]:)(?:\\r)?\\n")  # of a client that escaped the text twice
_WRITTEN_BREAK_MATTERS = re.compile(rf"\\n\s{{0,3}}(?:[{DASHES}]\s?{_LETTER}|negative)", re.IGNORECASE)
_HTML_BREAK = re.compile(r"<br\s{0,3}/?>", re.IGNORECASE)
_BULLET = re.compile(
    r"(?:\A|(?<=\n))[ \t]{0,8}(?:[\u2022\u2023\u25aa\u25cf\u25e6\u30fb\u00b7][ \t]{0,3}|[*+][ \t]{1,3})(?=\S)"
)
_NUMBERED = re.compile(
    rf"({_BEGIN})(?:[0-9]{{1,3}}[.)][ \t]{{1,3}}|[\u2022\u2023\u25aa\u25cf\u25e6\u30fb*+][ \t]?)"
    rf"(?=[{DASHES}]\s?{_LETTER})"
)
_WRAPPED = re.compile(
    rf"({_BEGIN})[\"'`*\u201c\u2018\u00ab\u300c\u300e\u3010\uff3b<]{{1,3}}([{DASHES}]\s?{_LETTER}[^{_ENDS}]*?)"
    rf"[\"'`*\u201d\u2019\u00bb\u300d\u300f\u3011\uff3d>]{{0,3}}(?=[ \t]*(?:[{_ENDS}]|\Z))"
)
_QUOTED = r"(?P<quoted>\"[^\"\n]{1,400}\"|“[^”\n]{1,400}”|「[^」\n]{1,400}」|«[^»\n]{1,400}»)"
# `a car; -rain`: nothing that is wished for begins like that.
_ENDED = re.compile(
    _QUOTED + r"|(?:\s{0,3}[;|\uff1b\uff5c\u061b]\s{0,3}"
    r"|(?<=[!?\u2026\u3002\uff0e\uff01\uff1f\u061f\u0964])\s{0,3}|(?<=\.)\s{1,3})"
    rf"(?=[{DASHES}]{_LETTER})"
)
_INSIDE = re.compile(
    _QUOTED + rf"|(?<=[^{DASHES}\s{_ENDS}()\[\]{{}}][ \t])([{DASHES}]{_LETTER}[^\s{_ENDS}]*)"
)
_BARE_WEIGHT = re.compile(
    rf"(?:(?<={_LETTER})|(?<=\)))"
    rf":(?:-[0-9.]{{1,6}}|[0-2]?\.[0-9]{{1,3}})(?=[ \t]*(?:[{_ENDS}]|\Z))"
    rf"|(?<=\)):[+-]?[0-9.]{{1,6}}(?![^\s{_ENDS}])"
)
_WEIGHED = re.compile(rf"[^\s{_ENDS}]{{1,40}}\Z")


def begin_terms(text: str) -> str:
    """Clean text, in which all line breaks are `\\n`, with nothing before the dashes of refusals."""
    if _WRITTEN_BREAK_MATTERS.search(text):
        text = _WRITTEN_BREAK.sub("\n", text)
    text = _BULLET.sub("", _HTML_BREAK.sub("\n", text))
    text = _LOOKS_LIKE_A_DASH.sub(r"\1-", text)
    text = _NUMBERED.sub(r"\1", text)
    text = _WRAPPED.sub(r"\1\2", text)
    return _ENDED.sub(lambda found: found["quoted"] or ", ", text)


def without_blanks(text: str) -> str:
    return _JOINS_NOTHING.sub("", _BLANK.sub(" ", text))


def tell_of_text(text: str, tell: Tell) -> None:
    for match in _INSIDE.finditer(text):
        if not match["quoted"]:
            tell("{} is read as text: it refuses only at a term's beginning, behind a comma", match[2])
    for match in _BARE_WEIGHT.finditer(text):
        word = _WEIGHED.search(text, max(0, match.start() - 40), match.start())
        weighed = f"{word[0] if word else ''}{match[0]}"
        tell("{} is read as text: weights stand in brackets, (red car:1.2)", weighed)
