"""What other programs tell of a picture, pasted: prompt, negative prompt, settings.

a red car                                                        in one line, too, and in any case
Negative prompt: rain, hat
Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512
"""

import re
from dataclasses import dataclass

from frontend.prompts.notes import Tell

_COLON = r"\s{0,3}[:\uff1a]"
_KEYS = (
    "steps|sampler|sampling method|schedule type|scheduler|cfg scale|cfg|guidance scale|guidance"
    "|distilled cfg scale|seed|variation seed|variation seed strength|size|width|height|model hash|model"
    "|vae hash|vae|version"
    "|denoising strength|denoise|clip skip|ensd|eta|hires upscale|hires upscaler|hires steps|hires resize"
    "|hires module \\d+|face restoration|tiling|lora hashes|ti hashes|token merging ratio|rng|emphasis"
    "|created date|refiner|refiner switch at|module \\d+|batch size|batch pos|aspect ratio"
)
_KEY = rf"(?:{_KEYS}){_COLON}"
_VALUE = r"\s{0,3}(?=[^\s,])[^,\n]{0,200}?"
# Two settings, one behind the other, or one whose value is a number and that is all its line says.
_SETTINGS = (
    rf"(?<!\w){_KEY}{_VALUE}(?:\s{{0,3}}[,;]\s{{0,3}}|\s{{1,3}}){_KEY}"
    rf"|(?<![^\n]){_KEY}\s{{0,3}}-?[0-9][0-9.x]{{0,20}}\s{{0,3}}(?![^\n])"
)
# **Negative prompt:** of Markdown, "negative_prompt": of JSON, [Negative prompt: …]
_BEFORE, _BEHIND = r"(?<!\w)[\[({\"'*]{0,4}", rf"[\"'*]{{0,3}}{_COLON}[\"'*]{{0,3}}"
_WRAPPING = "[](){}\"'*, \t"
_NEGATIVE = (
    rf"{_BEFORE}negative[ _-]?prompts?{_BEHIND}"
    rf"|(?<![^\n.;,])\s{{0,3}}(?:negatives?|neg|prompt n[eé]gati[fv]o?|negativer? prompt){_COLON}"
    rf"|(?:负面提示词|负面提示|负向提示词|反向提示词|反向词|ネガティブプロンプト|ネガティブ){_COLON}"
)
_POSITIVE = (
    rf"{_BEFORE}positive[ _-]?prompts?{_BEHIND}"
    rf"|(?<![^\n])\s{{0,3}}(?:/imagine\s{{1,3}})?{_BEFORE}prompts?{_BEHIND}"
)
_LABEL = re.compile(
    rf"(?P<negative>{_NEGATIVE})|(?P<positive>{_POSITIVE})|(?P<settings>{_SETTINGS})", re.IGNORECASE
)


@dataclass(frozen=True)
class PastedPrompt:
    positive: str
    negative: str


def read_pasted(text: str, tell: Tell) -> PastedPrompt:
    """Each part reaches to the next label. The settings are left out and told, with all that follows them."""
    if ":" not in text and "\uff1a" not in text:
        return PastedPrompt(text, "")
    parts: dict[str, list[str]] = {"positive": [], "negative": [], "settings": []}
    kind, begin, wrapping = "positive", 0, ""  # what the label stands in, which ends behind its part
    for label in _LABEL.finditer(text):
        if label.lastgroup == kind == "settings":
            continue
        parts[kind].append(text[begin : label.start()].strip(wrapping))
        kind = str(label.lastgroup)
        wrapping = _WRAPPING if label[0].strip()[0] in _WRAPPING else ""
        begin = label.start() if kind == "settings" else label.end()
    parts[kind].append(text[begin:].strip(wrapping))
    for settings in parts["settings"]:
        tell("{} is left out: steps, size, seed and the like are fields of a request", settings)
    return PastedPrompt(*("\n".join(filter(str.strip, parts[kind])) for kind in ("positive", "negative")))
