"""Parameters behind a prompt, as Midjourney has them: `--ar 16:9 --no rain`.

`--no` refuses what follows it, up to the next parameter or the end of the line; all others are left out and
told. Telephones make a long dash of the two short ones.
"""

import re

from contract.emphasis import COMMAS
from frontend.prompts.notes import Tell

_REFUSING = "no|not|neg|negatives?|negative[_-]prompts?|n|without|exclude|avoid"
_VALUE = r"[ \t=]{1,3}"
_NUMERIC = (
    "ar|aspect|aspect[_-]ratio|v|version|niji|s|stylize|seed|q|quality|c|chaos|w|weird|iw|cw|sw|ow|sv|stop|exp|repeat|r"
    "|width|height|steps|cfg|cfg[_-]scale|scale|bs|fps|motion|uplight|h"
)
_WORDED = "style|sref|cref|oref|p|profile|sampler|scheduler|model|mode|image|turbo|preset|video"
_FLAGS = "tile|raw|hd|fast|relax|draft|test|testp|creative|upbeta|vibe|loop|end|public|stealth|styles|help"
_PARAMETER = re.compile(
    rf"(?<![^\s{COMMAS}])(?:"
    rf"(?:--|[\u2014\u2013]{{1,2}})(?:(?P<no>{_REFUSING})(?:(?=\s)|[=:{COMMAS}]|\Z)|[ \t](?P<apart>no)(?=\s))"
    # a car -no rain
    rf"|(?<=[^\s{COMMAS}][ \t])-(?P<single>no|not|neg|negative|without)(?=[ \t])"
    rf"|(?:--|[\u2014\u2013]{{1,2}})(?:{_NUMERIC}){_VALUE}[0-9][\w.:/x]{{0,20}}"
    rf"|--(?:{_WORDED}){_VALUE}(?:https?://\S{{1,500}}\s*|[0-9]{{1,20}}(?!\S)\s*|(?!-)[\w:.-]{{1,40}})"
    rf"(?:(?:https?://\S{{1,500}}|[0-9]{{1,20}}(?!\S))\s{{0,3}}){{0,8}}"
    rf"|--(?:{_NUMERIC}|{_WORDED}|{_FLAGS})(?![\w-])"
    rf"|--(?:{_NUMERIC})[0-9][\w.:]{{0,10}}(?!\S)"
    # One that nobody knows, behind other text of its term: where it begins a term, it is a refusal.
    rf"|(?<=[^\s{COMMAS}][ \t])--[A-Za-z][\w-]{{0,40}}(?:(?! --)[^\n{COMMAS}])*"
    rf")",
    re.IGNORECASE,
)
_NEXT = re.compile(r"(?<!\S)--[A-Za-z]|\n")


def take_parameters(text: str, tell: Tell) -> tuple[str, list[str]]:
    """The text without them, and what they refuse."""
    kept, refused, at = [], [], 0
    while match := _PARAMETER.search(text, at):
        kept.append(text[at : match.start()])
        at = match.end()
        if match["no"] or match["apart"] or match["single"]:
            stop = _NEXT.search(text, at)
            end = stop.start() if stop else len(text)
            refused.append(text[at:end])
            if text[end:].strip() and text[end] == "\n":
                tell("{} ends with its line: what follows is wished for", text[match.start() : end])
            at = end
        else:
            tell("{} is left out: parameters of Midjourney have no meaning here", match[0])
    return " ".join([*kept, text[at:]]), refused
