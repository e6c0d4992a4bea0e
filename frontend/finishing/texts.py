"""Texts as they may stand in a signed statement: what a reader sees is what is stored."""

import unicodedata

TEXT_LIMIT, DESCRIPTION_LIMIT = 300, 2000  # characters

# What changes the direction of writing: marks, embeddings, overrides and isolates. Text would show in another
# order than it is stored in.
_DIRECTION = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# What shows as nothing and could carry text past a reader. Joiners stay, and selectors of an emoji's look:
# scripts and emoji are written with them.
_UNSEEN = frozenset(
    chr(code)
    for low, high in [
        (0x200B, 0x200B),  # space without width
        (0x2060, 0x2064),  # word joiner, invisible operators
        (0x206A, 0x206F),  # old format controls
        (0xFE00, 0xFE0D),  # variation selectors
        (0xFEFF, 0xFEFF),  # byte order mark
        (0xFFF9, 0xFFFB),  # annotations
        (0xFFFE, 0xFFFF),  # no characters, and not allowed in XML
        (0xE0000, 0xE01EF),  # tags, more variation selectors
    ]
    for code in range(low, high + 1)
)


def clean(text: str, limit: int = TEXT_LIMIT) -> str:
    """`text` as it may be signed: one line, shown as stored, at most `limit` characters."""
    spaced = "".join(" " if character.isspace() else character for character in text[: 2 * limit])
    kept = (character for character in spaced if _shown(character))
    return " ".join("".join(kept).split())[:limit].strip()


def _shown(character: str) -> bool:
    if character in _DIRECTION or character in _UNSEEN:
        return False
    return unicodedata.category(character) not in ("Cc", "Cs")
