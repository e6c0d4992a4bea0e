"""What a client is told of its prompt: what was left out, or means something else than it may seem to."""

from typing import Protocol

MAX_NOTES = 20
MAX_QUOTED = 60  # characters


class Tell(Protocol):
    def __call__(self, sentence: str, *texts: str) -> None:
        """`sentence` with a {} for each of the texts, which are quoted in it."""


class Notes:
    """Sentences in the order in which they were told, each once."""

    def __init__(self) -> None:
        self._sentences: dict[str, None] = {}

    def tell(self, sentence: str, *texts: str) -> None:
        self._sentences.setdefault(sentence.format(*map(_quoted, texts)))

    def add(self, others: "Notes") -> None:
        self._sentences |= others._sentences

    def told(self) -> tuple[str, ...]:
        """At most MAX_NOTES; the last says how many more there are."""
        sentences = tuple(self._sentences)
        if len(sentences) <= MAX_NOTES:
            return sentences
        return (*sentences[: MAX_NOTES - 1], f"And {len(sentences) - MAX_NOTES + 1} notes more of this kind")


def _quoted(text: str) -> str:
    """In one line, in quotes, its end cut off where it is long."""
    line = " ".join(text.split())
    return f'"{line}"' if len(line) <= MAX_QUOTED else f'"{line[: MAX_QUOTED - 1]}…"'
