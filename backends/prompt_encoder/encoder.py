"""A sentence encoder: a tokenizer and a network that pools and normalises inside its graph."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from batching import Arrays, BadTensors
from session import Session
from tokenizers import Tokenizer

from contract.limits import MAX_ENCODER_BYTES, MAX_ENCODER_TOKENS
from contract.parts import EMBEDDING, ENCODER, TEXT

MAX_TOGETHER = 8  # rows of equal length in one run; more are no faster, and what a run takes stays taken


class TextEmbedder:
    """serving.Network. `parameters` are session.Session's.

    Texts [N, 1] become `embedding` fp32 [N, D] and `encoder` [N, 1]: SHA-256 of what made them, so that
    nobody takes vectors of two encoders for comparable.
    """

    def __init__(self, folder: Path, version: str, parameters: Mapping[str, str]) -> None:
        network, tokenizer = folder / version / "model.onnx", folder / "tokenizer.json"
        self._session = Session(str(network), parameters)
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        cut = self._tokenizer.truncation
        if cut is None or not 2 < cut["max_length"] <= MAX_ENCODER_TOKENS or self._tokenizer.padding:
            raise ValueError(f"tokenizer.json must cut at 3 to {MAX_ENCODER_TOKENS} tokens, and not pad")
        self.runtime = self._session.runtime
        self._identity = _sha256(network, tokenizer).encode()
        self.dimension = self._embed([self._tokens("")]).shape[1]  # and the first, slow run is over

    def check(self, arrays: Arrays) -> int:
        """The number of texts. Raises BadTensors."""
        texts = arrays.get(TEXT)
        if texts is None or texts.ndim != 2 or texts.shape[1] != 1 or not len(texts):
            raise BadTensors(f"expected input {TEXT} of shape [N, 1]")
        for text in texts[:, 0]:
            _decode(text)
        return len(texts)

    def run(self, arrays: Arrays) -> Arrays:
        """Only texts of as many tokens share a run, so that nothing is computed for padding."""
        rows = [self._tokens(_decode(text)) for text in arrays[TEXT][:, 0]]
        embeddings = np.empty((len(rows), self.dimension), np.float32)
        for members in _group_by_length(rows):
            embeddings[members] = self._embed([rows[index] for index in members])
        return {EMBEDDING: embeddings, ENCODER: np.full((len(rows), 1), self._identity, dtype=object)}

    def _tokens(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text).ids
        return ids

    def _embed(self, rows: Sequence[Sequence[int]]) -> npt.NDArray[np.float32]:
        tokens = np.array(rows, np.int64)
        found = self._session.run({"tokens": tokens, "mask": np.ones_like(tokens)})
        return found[EMBEDDING].astype(np.float32, copy=False)


def _group_by_length(rows: Sequence[Sequence[int]]) -> list[list[int]]:
    """Indices of rows of one length, at most MAX_TOGETHER in each list."""
    by_length: dict[int, list[int]] = {}
    for index, row in enumerate(rows):
        by_length.setdefault(len(row), []).append(index)
    return [
        same[at : at + MAX_TOGETHER]
        for same in by_length.values()
        for at in range(0, len(same), MAX_TOGETHER)
    ]


def _decode(text: bytes) -> str:
    """Raises BadTensors."""
    if len(text) > MAX_ENCODER_BYTES:
        raise BadTensors(f"{TEXT} has {len(text)} bytes; at most {MAX_ENCODER_BYTES} are taken")
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise BadTensors(f"{TEXT} is not valid UTF-8") from None


def _sha256(*files: Path) -> str:
    """Of the files one after the other, each with its length before it."""
    whole = hashlib.sha256()
    for path in files:
        data = path.read_bytes()
        whole.update(len(data).to_bytes(8, "little"))
        whole.update(data)
    return whole.hexdigest()
