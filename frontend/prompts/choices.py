"""Brackets that offer a choice: `[dog|cat]`, `[dog:cat:0.5]`, `{dog|cat}`. The first is taken and told.

A picture is drawn from one text, so nothing can change from step to step, and what was drawn must be the same
for the same words. `{x}` alone is NovelAI's emphasis.
"""

import re
from dataclasses import dataclass, field

from frontend.prompts.notes import Tell

_BRACKET = re.compile(r"[()\[\]{}|:]")
_CLOSING = {")": "(", "]": "[", "}": "{"}
_NUMBER = re.compile(r"\s*[0-9]*\.?[0-9]+\s*")
_HOW_MANY = re.compile(r"\s*[0-9]+(?:-[0-9]*)?\$\$(?:[^$|{}]{0,20}\$\$)?")  # {2$$a|b|c}
_ODDS = re.compile(r"\s*[0-9]*\.?[0-9]+::")  # {0.5::a|0.3::b}
_NOVELAI = 1.05
MAX_OPEN = 50  # brackets before a closing one among which its own is looked for


@dataclass
class _Frame:
    opening: str  # "" of the text as a whole
    start: int
    parts: list[str] = field(default_factory=lambda: [""])
    separators: list[str] = field(default_factory=list)

    @property
    def verbatim(self) -> str:
        between = [*self.separators, ""]
        return self.opening + "".join(map("".join, zip(self.parts, between, strict=True)))


def take_first(text: str, tell: Tell) -> str:
    """`text` with each choice made."""
    frames = [_Frame("", 0)]
    at = 0
    for match in _BRACKET.finditer(text):
        frames[-1].parts[-1] += text[at : match.start()]
        at, sign = match.end(), match[0]
        if sign in "([{":
            frames.append(_Frame(sign, match.start()))
        elif sign in "|:":
            frames[-1].separators.append(sign)
            frames[-1].parts.append("")
        elif any(frame.opening == _CLOSING[sign] for frame in frames[-MAX_OPEN:]):
            while frames[-1].opening != _CLOSING[sign]:  # nothing closes it
                _give_up(frames)
            frame = frames.pop()
            frames[-1].parts[-1] += _resolved(frame, sign, text, at, tell)
        else:
            frames[-1].parts[-1] += sign
    frames[-1].parts[-1] += text[at:]
    while len(frames) > 1:
        _give_up(frames)
    return frames[0].verbatim


def _give_up(frames: list[_Frame]) -> None:
    frame = frames.pop()
    above = frames[-1]
    above.parts[-1] += frame.opening + frame.parts[0]
    above.parts += frame.parts[1:]
    above.separators += frame.separators


def _resolved(frame: _Frame, sign: str, text: str, end: int, tell: Tell) -> str:
    if frame.opening != "(" and "|" in frame.separators:
        return _first(_options(frame), text[frame.start : end], tell)
    if frame.opening == "[" and 1 <= len(frame.separators) <= 2 and _NUMBER.fullmatch(frame.parts[-1]):
        return _first(frame.parts[:-1], text[frame.start : end], tell)
    inner = frame.verbatim[1:]
    if frame.opening == "{" and inner.strip() and not _glued(text, frame.start, end):
        return f"({inner}:{_NOVELAI})"
    return frame.verbatim + sign


def _options(frame: _Frame) -> list[str]:
    options = [""]
    for part, separator in zip(frame.parts, [*frame.separators, "|"], strict=True):
        options[-1] += part
        if separator == "|":
            options.append("")
        else:
            options[-1] += separator
    options[0] = _HOW_MANY.sub("", options[0], count=1)
    return [_ODDS.sub("", option, count=1) for option in options]


def _first(options: list[str], whole: str, tell: Tell) -> str:
    taken = next((option.strip() for option in options if option.strip()), "")
    tell("Of {} only {} is taken: a picture is drawn from one text", whole, taken)
    return taken


def _glued(text: str, start: int, end: int) -> bool:
    around = text[max(start - 1, 0) : start] + text[end : end + 1]
    return any(char.isalnum() or char == "_" for char in around)
