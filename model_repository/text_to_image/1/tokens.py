"""A prompt as windows of tokens and their weights: long prompts take several, and nothing is ever cut off."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from contract.emphasis import Piece, Pieces, parse


@dataclass(frozen=True)
class TokenWindow:
    tokens: list[int]
    weights: list[float]  # of each token; the frame and the padding weigh 1
    mask: list[int]  # 0: padding


class TextTokenizer:
    """One of a model's tokenizers (`tokenizer.json` of Hugging Face's tokenizers).

    `window` tokens go to the network at a time: what begins it, as much of the text as there is room for,
    what ends it, then `pad`.
    """

    def __init__(self, path: Path, *, pad: int, window: int, template: tuple[str, str] | None = None) -> None:
        """`template`: as of contract.families.TextEncoder."""
        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        if template is None:
            frame = self._tokenizer.encode("").ids
            if len(frame) not in (1, 2):  # T5's ends a text and begins none
                raise ValueError(f"{path.parent.name} does not put one start and one end token around a text")
            self._before, self._after = frame[:-1], frame[-1:]
        else:
            self._before, self._after = (
                self._tokenizer.encode(text, add_special_tokens=False).ids for text in template
            )
        self._pad = pad
        self._window = window
        self._weighs = template is None

    def windows(self, pieces: Pieces) -> list[TokenWindow]:
        """At least one. Pieces of different weights are told apart before they become tokens; a language
        model's states are taken as they are, so its text is one piece."""
        if not self._weighs:
            pieces = (Piece("".join(piece.text for piece in pieces)),)
        weighed = [
            (token, piece.weight)
            for piece in pieces
            for token in self._tokenizer.encode(piece.text, add_special_tokens=False).ids
        ]
        room = self._window - len(self._before) - len(self._after)
        return [self._frame(weighed[at : at + room]) for at in range(0, max(len(weighed), 1), room)]

    def pad(self, windows: list[TokenWindow], count: int) -> list[TokenWindow]:
        """At least `count` windows; the added ones hold no text."""
        return windows + [self._frame([])] * (count - len(windows))

    def _frame(self, weighed: Sequence[tuple[int, float]]) -> TokenWindow:
        tokens = [*self._before, *(token for token, _ in weighed), *self._after]
        weights = [*[1.0] * len(self._before), *(weight for _, weight in weighed)]
        padding = self._window - len(tokens)
        return TokenWindow(
            tokens + [self._pad] * padding,
            weights + [1.0] * (self._window - len(weights)),
            [1] * len(tokens) + [0] * padding,
        )


@dataclass(frozen=True)
class TokenRows:
    """What the text encoders of a part are given, and what becomes of their embeddings.

    The denoiser looks at `count` windows of the prompt (places 0 to count - 1) and, where it has one, as many
    of the negative prompt (count to 2 count - 1). A place is the sum of its rows, each times its share.
    """

    tokens: tuple[npt.NDArray[np.int64], ...]  # [rows, window] for each tokenizer
    weights: tuple[npt.NDArray[np.float32], ...]  # of the tokens
    masks: tuple[npt.NDArray[np.int64], ...]  # likewise; 0: padding
    places: npt.NDArray[np.int64]  # [rows], rising
    shares: npt.NDArray[np.float32]  # [rows], summing up to 1 at each place
    count: int
    texts: int  # 2 with a negative prompt


def rows_of(tokenizers: Sequence[TextTokenizer], prompt: str, negative: str | None, most: int) -> TokenRows:
    """At most `most` places for each of the two texts. `negative`: None where the denoiser has none.

    Both take as many, in all tokenizers, because the network joins its encoders token by token and guidance
    compares the two prompts token by token. So the shorter text gets empty windows. A text of more windows
    than `most` has neighbours averaged, in groups that differ by one at most: every word of it counts, and
    the denoiser's time and memory stay bounded.
    """
    texts = [_windows(tokenizers, text, most) for text in (prompt, negative) if text is not None]
    lengths = [max(len(windows) for windows in text) for text in texts]
    count = min(max(lengths), most)
    rows = [max(length, count) for length in lengths]
    places = np.concatenate([at * count + np.arange(n) * count // n for at, n in enumerate(rows)])
    padded = [
        [window for text, n in zip(each, rows, strict=True) for window in tokenizer.pad(text, n)]
        for tokenizer, each in zip(tokenizers, zip(*texts, strict=True), strict=True)
    ]
    return TokenRows(
        tokens=tuple(np.array([window.tokens for window in each]) for each in padded),
        weights=tuple(np.array([window.weights for window in each], np.float32) for each in padded),
        masks=tuple(np.array([window.mask for window in each]) for each in padded),
        places=places,
        shares=(1 / np.bincount(places))[places].astype(np.float32),
        count=count,
        texts=len(texts),
    )


def _windows(tokenizers: Sequence[TextTokenizer], text: str, most: int) -> list[list[TokenWindow]]:
    """Of each tokenizer. What BREAK parts begins with the same window in all of them; where there is one
    window only, it parts nothing."""
    made: list[list[TokenWindow]] = [[] for _ in tokenizers]
    parts_of_text = parse(text)
    if most == 1:
        parts_of_text = (tuple(piece for pieces in parts_of_text for piece in pieces),)
    for pieces in parts_of_text:
        parts = [tokenizer.windows(pieces) for tokenizer in tokenizers]
        most = max(map(len, parts))
        for windows, tokenizer, part in zip(made, tokenizers, parts, strict=True):
            windows += tokenizer.pad(part, most)
    return made
