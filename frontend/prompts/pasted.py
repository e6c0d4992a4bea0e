"""What other programs tell of a picture, pasted: prompt, negative prompt, settings.

a red car                                                        in one line, too, and in any case
Negative prompt: rain, hat
Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512
"""

import json
import re
from dataclasses import dataclass

from frontend.prompts.notes import Tell

_COLON = r"\s{0,3}[:\uff1a=](?!\s{0,3}[-+]?[0-9.]{1,8}\s{0,3}[)\]])"  # no weight
_KEYS = (
    "steps|num inference steps|sampler|sampler name|sampling method|schedule type|scheduler|cfg scale|cfg"
    "|guidance scale|guidance"
    "|distilled cfg scale|seed|variation seed|variation seed strength|size|width|height|model hash|model"
    "|vae hash|vae|version"
    "|denoising strength|denoise|clip skip|ensd|eta|hires upscale|hires upscaler|hires steps|hires resize"
    "|hires module \\d+|face restoration|tiling|lora hashes|ti hashes|token merging ratio|rng|emphasis"
    "|created date|refiner|refiner switch at|module \\d+|batch size|batch pos|aspect ratio|civitai resources"
).replace(" ", "[ _]")
_KEY = rf"(?:{_KEYS}){_COLON}"
_VALUE = r"\s{0,3}(?=[^\s,])[^,\n]{0,200}?"
# Two settings, one behind the other, or one whose value is a number and that is all its line says, or the
# number of steps with more behind it.
_SETTINGS = (
    rf"(?<!\w){_KEY}{_VALUE}(?:\s{{0,3}}[,;]\s{{0,3}}|\s{{1,3}}){_KEY}"
    rf"|(?<![^\n]){_KEY}\s{{0,3}}-?[0-9][0-9.x]{{0,20}}\s{{0,3}}(?![^\n])"
    rf"|(?<![^\n])steps{_COLON}\s{{0,3}}[0-9]{{1,4}}\s{{0,3}},"
    rf"|(?<=[,\n])\s{{0,3}}(?:num_inference_steps|guidance_scale|negative_prompt_embeds)\s?=\s?[0-9.]{{1,8}}"
)
# **Negative prompt:** of Markdown, "negative_prompt": of JSON, [Negative prompt: …], negative_prompt='…'
_BEFORE, _BEHIND = (
    r"(?<![\w-])[\[({\"'*#_]{0,4}[ \t]{0,3}",
    rf"[\"'*\])]{{0,3}}{_COLON}[ \t]{{0,3}}[\"'*]{{0,3}}",
)
_NO_COLON = r"[\"'*\])]{0,3}(?=\s|\Z)(?:\s{0,3}[-\u2013\u2014](?=\s))?"
# ### Negative; **Negative**; the first line of what PNG files hold
_HEADING = r"(?<![^\n])[ \t]{0,3}[#*_]{1,6}[ \t]{0,3}%s[ \t*_:]{0,4}(?![^\n])"
_FIRST_LINE = r"\A\s{0,3}(?:(?:parameters|prompt)[ \t]{0,3}\n|parameters:)"
_MARKS = "[](){}\"'*#"
_WRAPPING = f"{_MARKS}, \t"
_NEGATIVE = (
    rf"{_HEADING % 'negatives?'}|{_BEFORE}negative[ _-]?prompts?(?:{_BEHIND}|{_NO_COLON})"
    r"|(?:(?<![^\n.;,])|(?=[|([{\"'*#]))[ \t]{0,3}[|\[({\"'*#]{0,4}[ \t]{0,3}"
    r"(?:negatives?|neg|undesired content|uc|avoid|exclude|excluding|prompt n[eé]gati[fv]o?|negativer? prompt"
    r"|negatywny prompt|negatif prompt|(?:негативный|отрицательный) промпт)"
    rf"{_BEHIND}"
    r"|(?:[负負]面提示[词詞]?|[负負]面|[负負]向提示[词詞]|反向提示[词詞]|反向[词詞]|ネガティブプロンプト|ネガティブ|否定プロンプト"
    rf"|네거티브(?: ?프롬프트)?|부정 ?프롬프트){_COLON}"
)
_POSITIVE = (
    rf"{_HEADING % '(?:positives?|prompts?)'}|{_FIRST_LINE}"
    rf"|{_BEFORE}positive[ _-]?prompts?(?:{_BEHIND}|[\"'*\])]{{0,3}}[ \t]{{0,3}}(?![^\n]))"
    rf"|(?<![^\n])\s{{0,3}}(?:/imagine\s{{1,3}})?{_BEFORE}(?:prompts?|positive){_BEHIND}"
    rf"|(?:正[面向]提示[词詞]|ポジティブプロンプト|프롬프트|(?<!\w)(?:позитивный )?промпт){_COLON}"
)
_LABEL = re.compile(
    rf"(?P<negative>{_NEGATIVE})|(?P<positive>{_POSITIVE})|(?P<settings>{_SETTINGS})", re.IGNORECASE
)
_OF_JSON = {"positive": ("prompt", "positive", "positiveprompt"),
            "negative": ("negativeprompt", "negative", "uc", "undesiredcontent", "neg")}  # fmt: skip
_LEFT_OUT = "{} is left out: steps, size, seed and the like are fields of a request"


@dataclass(frozen=True)
class PastedPrompt:
    positive: str
    negative: str


def read_pasted(text: str, tell: Tell) -> PastedPrompt:
    """Each part reaches to the next label. The settings are left out and told, with all that follows them."""
    if text[:1] == "{" and (found := _read_json(text, tell)):
        return found
    parts: dict[str, list[str]] = {"positive": [], "negative": [], "settings": []}
    kind, begin, wrapping = "positive", 0, ""  # what the label stands in, which ends behind its part
    for label in _LABEL.finditer(text):
        if label.lastgroup == kind == "settings":
            continue
        parts[kind].append(_unwrapped(text[begin : label.start()], wrapping))
        kind = str(label.lastgroup)
        said = label[0].strip()
        wrapping = _WRAPPING if said[0] in _MARKS or said[-1] in _MARKS else ""
        begin = label.start() if kind == "settings" else label.end()
    parts[kind].append(_unwrapped(text[begin:], wrapping))
    for settings in parts["settings"]:
        tell(_LEFT_OUT, settings)
    return PastedPrompt(*("\n".join(filter(str.strip, parts[kind])) for kind in ("positive", "negative")))


def _unwrapped(part: str, wrapping: str) -> str:
    return part.strip(wrapping + "\n").strip(wrapping) if wrapping else part


def _read_json(text: str, tell: Tell) -> PastedPrompt | None:
    """An object with texts of these names; None where it is none."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return None
    read = {"positive": "", "negative": ""}
    for key, value in fields.items():
        name = re.sub("[ _-]", "", key).casefold()
        kind = next((kind for kind, names in _OF_JSON.items() if name in names), "")
        if kind and isinstance(value, str):
            read[kind] += f"\n{value}"
    if not any(read.values()):
        return None
    others = [
        key
        for key in fields
        if re.sub("[ _-]", "", key).casefold() not in (*_OF_JSON["positive"], *_OF_JSON["negative"])
    ]
    if others:
        tell(_LEFT_OUT, ", ".join(others))
    return PastedPrompt(**read)
