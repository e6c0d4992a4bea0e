"""A prompt as windows of tokens: long prompts take several, and nothing is ever cut off."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from order import BadOrder
from tokenizers import Tokenizer

MAX_WINDOWS = 32
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
        """At least one window. Raises BadOrder for a text of more than MAX_WINDOWS."""
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        room = self._window - 2
        if len(ids) > MAX_WINDOWS * room:
            raise BadOrder(f"prompt has {len(ids)} tokens, at most {MAX_WINDOWS * room} are taken")
        return [self._framed(ids[at : at + room]) for at in range(0, max(len(ids), 1), room)]

    def padded(self, windows: Windows, count: int) -> Windows:
        """As many windows as the longest text of the order has; the added ones hold no text."""
        return windows + [self._framed([])] * (count - len(windows))

    def _framed(self, ids: Sequence[int]) -> list[int]:
        framed = [self._start, *ids, self._end]
        return framed + [self._pad] * (self._window - len(framed))


def encode_pair(
    tokenizers: Sequence[TextTokenizer], prompt: str, negative: str
) -> list[npt.NDArray[np.int64]]:
    """For each tokenizer int64 [2 n, window]: n windows of the prompt, then n of the negative prompt.

    n is the same for all, because the network joins its encoders token by token and guidance compares the
    two prompts token by token. Raises BadOrder.
    """
    texts = [[tokenizer.windows(prompt), tokenizer.windows(negative)] for tokenizer in tokenizers]
    count = max(len(windows) for pair in texts for windows in pair)
    return [
        np.array(tokenizer.padded(pair[0], count) + tokenizer.padded(pair[1], count), dtype=np.int64)
        for tokenizer, pair in zip(tokenizers, texts, strict=True)
    ]
