"""A prompt as windows of tokens: long prompts take several, and nothing is ever cut off."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

Windows = list[list[int]]


class TextTokenizer:
    """One of a model's tokenizers (`tokenizer.json` of Hugging Face's tokenizers).

    `window` tokens go to the network at a time: a start token, up to `window - 2` of the text, an end token,
    then `pad`.
    """

    def __init__(self, path: Path, *, pad: int, window: int) -> None:
        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        frame = self._tokenizer.encode("").ids
        if len(frame) != 2:
            raise ValueError(f"{path.parent.name} does not put one start and one end token around a text")
        self._start, self._end = frame
        self._pad = pad
        self._window = window

    def windows(self, text: str) -> Windows:
        """At least one window."""
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        room = self._window - 2
        return [self._frame(ids[at : at + room]) for at in range(0, max(len(ids), 1), room)]

    def pad(self, windows: Windows, count: int) -> Windows:
        """At least `count` windows; the added ones hold no text."""
        return windows + [self._frame([])] * (count - len(windows))

    def _frame(self, ids: Sequence[int]) -> list[int]:
        framed = [self._start, *ids, self._end]
        return framed + [self._pad] * (self._window - len(framed))


@dataclass(frozen=True)
class TokenRows:
    """What the text encoder is given, and what becomes of its embeddings.

    The denoiser looks at `count` windows of the prompt (places 0 to count - 1) and as many of the negative
    prompt (count to 2 count - 1). A place is the sum of its rows, each times its share.
    """

    tokens: tuple[npt.NDArray[np.int64], ...]  # [rows, window] for each tokenizer
    places: npt.NDArray[np.int64]  # [rows], rising
    shares: npt.NDArray[np.float32]  # [rows], summing up to 1 at each place
    count: int


def rows_of(tokenizers: Sequence[TextTokenizer], prompt: str, negative: str, most: int) -> TokenRows:
    """At most `most` places for each of the two texts.

    Both take as many, in all tokenizers, because the network joins its encoders token by token and guidance
    compares the two prompts token by token. So the shorter text gets empty windows. A text of more windows
    than `most` has neighbours averaged, in groups that differ by one at most: every word of it counts, and
    the denoiser's time and memory stay bounded.
    """
    texts = [[tokenizer.windows(text) for tokenizer in tokenizers] for text in (prompt, negative)]
    lengths = [max(len(windows) for windows in text) for text in texts]
    count = min(max(lengths), most)
    rows = [max(length, count) for length in lengths]
    places = np.concatenate([at * count + np.arange(n) * count // n for at, n in enumerate(rows)])
    tokens = tuple(
        np.array([row for text, n in zip(each, rows, strict=True) for row in tokenizer.pad(text, n)])
        for tokenizer, each in zip(tokenizers, zip(*texts, strict=True), strict=True)
    )
    shares = (1 / np.bincount(places))[places].astype(np.float32)
    return TokenRows(tokens=tokens, places=places, shares=shares, count=count)
