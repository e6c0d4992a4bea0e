"""The word lists that come with the reviewer, wordlists/*.yaml. Rulesets use them by file name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec

from acs import text
from acs.strict_yaml import load

FOLDER = Path(__file__).with_name("wordlists")
Term = Annotated[str, msgspec.Meta(min_length=2, max_length=60)]


class _WordlistFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    purpose: Annotated[str, msgspec.Meta(min_length=1)]
    terms: Annotated[tuple[Term, ...], msgspec.Meta(min_length=1, max_length=500)]
    exceptions: Annotated[tuple[Term, ...], msgspec.Meta(max_length=500)] = ()


@dataclass(frozen=True)
class Wordlist:
    terms: re.Pattern[str]
    exceptions: re.Pattern[str]  # phrases that hold a term and mean something else (`baby blue`)

    def occurs_in(self, read: str) -> bool:
        """`read` is what `text.readings` returned."""
        found = self.terms.finditer(self.exceptions.sub(" , ", read))
        return any(map(str.isalpha, "".join(match[0] for match in found)))  # 1011 is a number, not a word


def wordlist(terms: tuple[str, ...], exceptions: tuple[str, ...] = ()) -> Wordlist:
    return Wordlist(text.pattern(terms), text.pattern(exceptions))


def load_all(folder: Path = FOLDER) -> Mapping[str, Wordlist]:
    """By file name without suffix. Raises DataError."""
    files = {path.stem: load(path, _WordlistFile) for path in sorted(folder.glob("*.yaml"))}
    return {name: wordlist(file.terms, file.exceptions) for name, file in files.items()}
