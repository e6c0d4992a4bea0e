"""What people bring from other programs: read as this API's own syntax, or left out and told.

Behind it nothing in a text has a meaning but commas, dashes, `@name` and emphasis (contract/emphasis.py).
"""

import itertools
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from contract.emphasis import BREAK, COMMAS, DASHES, LINE_BREAKS, LITERAL, Sign, tokens
from frontend.prompts.choices import take_first
from frontend.prompts.notes import Tell
from frontend.prompts.parameters import take_parameters
from frontend.prompts.terms import COMMA, END, is_negative, last_term, refuses

_SYNTAX = re.compile(
    rf"[()\[\]{{}}<>\\:\uff08|$]|--|\+\+|[\u2013\u2014]|__|[A-Z]{{3}}|[{DASHES}]\s?[\"“«「『'‘`【<]|[{DASHES}]{{2}}|AND_|\A\s*[/!]|\s-n[eo]|\s-without|\uff09"
)
# Also across commas, which end a term in quotes, too.
_QUOTES = (('"', '"'), ("“", "”"), ("«", "»"), ("「", "」"), ("『", "』"))
_IN_QUOTES = "|".join(
    rf"(?<![\w\\]){first}[^{first}{last}{LINE_BREAKS}]{{0,400}}{last}(?!\w)" for first, last in _QUOTES
)
# -"rain, hat": both.
_QUOTED_TERMS = "|".join(
    rf"{first}([^{first}{last}{LINE_BREAKS}]{{0,400}}){last}(?!\w)"
    for first, last in (*_QUOTES, ("'", "'"), ("‘", "’"), ("`", "`"), ("【", "】"), ("<", ">"))
)
_QUOTED_REFUSAL = re.compile(rf"((?:\A|[{COMMAS}{LINE_BREAKS}])\s{{0,8}}[{DASHES}]\s?)(?:{_QUOTED_TERMS})")
_URL_PART = rf"[^\s()\[\]:{COMMAS}]"
_URL = rf"https?://(?:{_URL_PART}{{0,500}}(?:\({_URL_PART}{{0,100}}\)|\[{_URL_PART}{{0,100}}\])){{1,8}}{_URL_PART}{{0,500}}"
_MASKED = re.compile(rf"{_URL}|{_IN_QUOTES}|{LITERAL.pattern}|\\[^\w\s]")
_MASK = re.compile("\x01([0-9]+)\x02")  # clean text has no such characters
_UNESCAPED = re.compile(r"(?<!\\)[()\[\]]")

_TAG = re.compile(r"<\s{0,3}[A-Za-z][\w-]{0,30}\s{0,3}:[^<>]{0,300}>|<\|[^<>|]{0,40}\|>")
_EMBEDDING = re.compile(
    r"(?<![\w.])(?:\{\s{0,3}embedding:[\w.\\/-]{1,100}\s{0,3}\}|embedding:[\w.\\/-]{1,100}(?::[0-9.]{1,6}+(?!\s*\)))?)",
    re.IGNORECASE,
)
_COMMAND = re.compile(r"\A\s*[/!](?:imagine|dream|generate|draw|create|txt2img)(?!\w)", re.IGNORECASE)
_WILDCARD = re.compile(r"(?<!\w)__[\w*./-]{1,60}?__(?!\w)|\$\{[^{}]{0,200}\}")
_JOINED = re.compile(
    r'\(\s*((?:"[^"]*"\s*,?\s*)+)\)\s*\.\s*(?:and|blend)\s*\(([^()]*)\)', re.IGNORECASE
)  # ("a", "b").blend(1, -1)
_SWAP = re.compile(r"\.swap\s{0,3}\([^()]{0,300}\)", re.IGNORECASE)
_NUMBER = r"[0-9]{0,6}\.?[0-9]{1,6}"
_ENDING = rf"(?=[\s.;()\[\]{COMMAS}]|\Z)"
# compel's and InvokeAI's (a b)++, (a b)1.3, word--; C++ has one letter.
_BEHIND = re.compile(rf"(\+{{1,20}}|-{{1,20}}|[0-9]{{1,2}}\.[0-9]{{1,4}}){_ENDING}")
_WORD_BEHIND = re.compile(
    rf"(?<![\w+'\u2019@\uff20-])(?!(?i:notepad)\+)([^\W\d_]{{2}}\w{{0,60}}|{_MASK.pattern})(\+{{2,20}}|-{{2,20}}){_ENDING}"
)
# −−no of word processors, and (rain:−1).
_DOUBLE_DASH = re.compile(rf"(?<![^\s{COMMAS}])[\u2010-\u2012\u2212\ufe58\ufe63\uff0d]{{2}}(?=\s?[A-Za-z])")
_MINUS = re.compile(rf"(?<=:)(\s{{0,3}})[{DASHES}](?=[0-9.]{{1,8}}\s{{0,8}}\)|(?<=::[{DASHES}])[0-9.])")
_UP, _DOWN = 1.1, 0.9  # of compel: one plus, one minus
# 1.3::a b::, or up to the end.
_NOVELAI = re.compile(
    rf"(?<![\w:.])(-?{_NUMBER})::([^:]{{1,2000}}?)::|(?:\A|(?<=[{COMMAS}\n]))\s{{0,8}}(-?{_NUMBER})::([^:]{{1,4000}})\Z"
)
_PARTS = re.compile(rf"(?<!:)::(?!:|{_NUMBER}\s{{0,8}}\))(-?{_NUMBER})?")
_AND = re.compile(rf"(?<![^\s)\]{COMMAS}])AND(?:_PERP|_SALT|_TOPK)?(?![^\s(\[{COMMAS}])")
_PART_WEIGHT = re.compile(rf"(?:\s|(?<=[^\W\d])):\s{{0,3}}(-?{_NUMBER})\s*\Z")
_REGION = re.compile(rf"(?<![^\s{COMMAS}])(?:ADDCOMM|ADDBASE|ADDROW|ADDCOL)(?![^\s{COMMAS}])")
# （x：1.3） of keyboards for Chinese and Japanese, and （-x）; also half of it.
_FULL_WIDTH = re.compile(
    rf"[(\uff08]\s{{0,3}}((?=[{DASHES}])[^()\uff08\uff09]{{1,300}}?|[^()\uff08\uff09]{{1,300}}?(?=[:\uff1a]\s?[0-9\uff10-\uff19]))"
    r"(?:[:\uff1a]\s?([0-9\uff10-\uff19.\uff0e]{1,6}))?\s{0,3}[)\uff09]"
)
_NAME_BELOW_0 = re.compile(r"\(\s{0,8}([@\uff20]\w[\w-]{0,64})\s{0,8}:\s{0,8}-[0-9.]{1,9}\s{0,8}\)")
_WRITTEN_WEIGHT = re.compile(rf":\s{{0,8}}[+-]?{_NUMBER}\s{{0,8}}\)")
_NO_WEIGHT = re.compile(r":\s{0,8}[+-]?nan\s{0,8}(?=\))", re.IGNORECASE)
_ONLY_DASHES = re.compile(rf"[\s(\[]*[{DASHES}][{DASHES}\s(\[]*")
_ONLY_BRACKETS = re.compile(r"[\s(\[]*")


@dataclass(frozen=True)
class Translation:
    text: str
    refused: tuple[str, ...] = ()  # texts, all of whose terms shall not be seen


def translate(text: str, tell: Tell) -> Translation:
    return _Translator(tell).translate(text) if _SYNTAX.search(text) else Translation(text)


class _Translator:
    def __init__(self, tell: Tell) -> None:
        self._report = tell
        self._masked: list[str] = []
        self._refused: list[str] = []

    def translate(self, text: str) -> Translation:
        text = _QUOTED_REFUSAL.sub(_refuse_each, text)
        text = _MASKED.sub(self._mask, _JOINED.sub(self._joined, text))
        text = _FULL_WIDTH.sub(_half_width, _DOUBLE_DASH.sub("--", text))
        text = _MINUS.sub(r"\1-", text)
        text = _NAME_BELOW_0.sub(r", -\1,", text)
        text = self._without(_COMMAND, text, "it is a command of another program")
        text = self._without(_TAG, text, "LoRAs are chosen by @name, and embeddings are part of a model")
        text = self._without(_EMBEDDING, text, "embeddings are part of a model")
        text = self._without(_SWAP, text, "a picture is drawn from one text")
        text = self._without(_WILDCARD, text, "there are no wildcards here")
        text = self._without(_NO_WEIGHT, text, "it is no weight", ":1")
        text, refused = take_parameters(text, self._tell)
        self._refused += refused
        text = take_first(text, self._tell)
        text = _weigh_groups(text)
        text = _WORD_BEHIND.sub(lambda match: f"({match[1]}:{_compel(match[3]):.4f})", text)
        text = _NOVELAI.sub(lambda match: f"({match[2] or match[4]}:{match[1] or match[3]})", text)
        text = self._composed(self._multi_prompt(text))
        text = self._regions(text)
        return Translation(self._unmask(_spread_dashes(text)), tuple(map(self._unmask, self._refused)))

    def _mask(self, match: re.Match[str]) -> str:
        if COMMA.search(match[0]) and _WRITTEN_WEIGHT.search(match[0]):
            return match[0]  # else two lone quotes of a canonical prompt would take away its weights
        self._masked.append(match[0])
        return f"\x01{len(self._masked) - 1}\x02"

    def _unmask(self, text: str) -> str:
        return _MASK.sub(lambda match: _escaped(self._masked[int(match[1])]), text)

    def _tell(self, sentence: str, *texts: str) -> None:
        self._report(sentence, *map(self._unmask, texts))

    def _without(self, pattern: re.Pattern[str], text: str, why: str, instead: str = "") -> str:
        def leave_out(match: re.Match[str]) -> str:
            self._tell("{} is left out: " + why, match[0])
            return instead

        return pattern.sub(leave_out, text)

    def _joined(self, match: re.Match[str]) -> str:
        """compel's conjunctions and blends: their texts as terms, those of a weight below 0 refused."""
        self._tell("{} is read as a list of terms: a picture is drawn from one text", match[0])
        texts = re.findall(r'"([^"]*)"', match[1])
        weights = [weight.strip() for weight in match[2].split(",")] + [""] * len(texts)
        self._refused += [text for text, weight in zip(texts, weights, strict=False) if weight[:1] == "-"]
        return ", ".join(text for text, weight in zip(texts, weights, strict=False) if weight[:1] != "-")

    def _multi_prompt(self, text: str) -> str:
        """Midjourney's `a:: b::2`: terms, and what weighs less than 0 refused."""
        parts = _PARTS.split(text)
        if len(parts) == 1:
            return text
        self._tell("{} is read as a comma: a picture is drawn from one text", "::")
        return self._wanted(zip(parts[::2], [*parts[1::2], ""], strict=True))

    def _composed(self, text: str) -> str:
        """`a AND b :0.8`, where not all of the text is in capitals."""
        parts = _AND.split(text)
        if len(parts) == 1 or text == text.upper():
            return text
        self._tell("{} is read as a comma: a picture is drawn from one text", "AND")
        weighed = []
        for part in parts:
            weight = _PART_WEIGHT.search(part)
            weighed.append((part[: weight.start()], weight[1]) if weight else (part, ""))
        return self._wanted(weighed)

    def _wanted(self, parts: Iterable[tuple[str, str | None]]) -> str:
        """The parts as terms; those of a weight below 0 are refused, and what goes on with a refusal, too."""
        wanted: list[str] = []
        for part, weight in parts:
            if weight and weight.startswith("-"):
                self._refused.append(part)
            elif wanted:
                wanted.append(f"-{part}" if refuses(last_term(wanted[-1])) else part)
            elif part:
                wanted.append(part)
        return ", ".join(wanted)

    def _regions(self, text: str) -> str:
        found = _REGION.search(text)
        if found:
            self._tell("{} is read as BREAK: a picture has no regions", found[0])
        return _REGION.sub(BREAK, text)


def _refuse_each(match: re.Match[str]) -> str:
    """What is quoted and has commas: each of its terms."""
    quoted = next(filter(None, match.groups()[1:]), "")
    if not COMMA.search(quoted):
        return match[0]
    return match[1] + ", -".join(term.strip() for term in COMMA.split(quoted))


def _escaped(masked: str) -> str:
    """What was in quotes: a comma ends its term, and so would end what protects its brackets."""
    if masked[:1] == "\\" or not (COMMA.search(masked) or masked.startswith("http")):
        return masked
    return _UNESCAPED.sub(r"\\\g<0>", masked).replace(BREAK, BREAK.capitalize())


def _half_width(match: re.Match[str]) -> str:
    if not set("\uff08\uff09\uff1a\uff0e") & set(match[0]) and (match[2] or "").isascii():
        return match[0]
    number = unicodedata.normalize("NFKC", match[2] or "")
    return f"({match[1]}:{number})" if number else f", {match[1]}, "


def _weigh_groups(text: str) -> str:
    """Weights that stand behind a bracket, put into it."""
    parts, at, closed = [], 0, -1
    for token in tokens(text):
        if token.sign is Sign.OPEN and token.start == closed:  # (car)(tree) are two words
            parts += [text[at:closed], " "]
            at = closed
        closed = token.end if token.sign is Sign.CLOSE else -1
        is_end = token.sign in (Sign.CLOSE, Sign.GLUED) and token.text[-1] == ")"
        if is_end and (behind := _BEHIND.match(text, token.end)):
            weight = float(token.number.replace(",", ".") or 1) * _compel(behind[1])
            parts += [text[at : token.start], f":{weight:.4f})"]
            at = behind.end()
    return "".join([*parts, text[at:]])


def _compel(signs: str) -> float:
    if signs[0] in "+-":
        return (_UP if signs[0] == "+" else _DOWN) ** len(signs)
    return float(signs)


def _spread_dashes(text: str) -> str:
    """A dash before a bracket refuses every term in it; a bracket before a dash that nothing closes goes."""
    spread: list[str] = []
    aparts: list[bool] = []  # whether a bracket that begins with a dash stands behind other text
    refusing, term = [False], ""  # within each bracket that is open; what the current term says so far
    found = tokens(text)
    for token, behind in itertools.zip_longest(found, found[1:]):
        part = token.text
        if token.sign is Sign.OPEN:
            apart = bool(behind and behind.sign is Sign.TEXT and is_negative(behind.text))
            refusing.append(refusing[-1] or bool(_ONLY_DASHES.fullmatch(term)))
            aparts.append(apart and not _ONLY_BRACKETS.fullmatch(term) and not refusing[-1])
            part = f", {part}" if aparts[-1] else part
        elif token.sign is Sign.CLOSE:
            refusing.pop()
            part = f"{part}, " if aparts.pop() else part
        elif token.sign is Sign.LONE and behind and is_negative(behind.text):
            part = "" if _ONLY_BRACKETS.fullmatch(term) else part
        elif refusing[-1] and token.sign is Sign.TEXT:
            part = END.sub(r"\g<0>-", part)
        elif refusing[-1] and token.sign is Sign.BREAK:
            part = ",-"
        spread.append(part)
        term = last_term(part) if END.search(part) else term + part
    return "".join(spread)
