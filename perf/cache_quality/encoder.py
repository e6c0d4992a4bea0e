"""Texts to vectors: the encoder that the server has, run by onnxruntime without Triton."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from tokenizers import Tokenizer

Vectors = npt.NDArray[np.float32]
"""[texts, dimensions], each of length 1."""
Encode = Callable[[Sequence[str]], Vectors]
MOST_TOKENS = 256


def from_folder(folder: Path) -> Encode:
    """Of a model folder of Triton: `1/model.onnx` (tokens, mask → embedding) and `tokenizer.json`.

    One text a run, as the server does with texts of different length: an int8 network's vectors depend a
    little on what else is in the run.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(folder / "1" / "model.onnx"), options)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(MOST_TOKENS)
    tokenizer.no_padding()

    def encode(texts: Sequence[str]) -> Vectors:
        return np.concatenate([_vector(session, tokenizer.encode(text).ids) for text in texts])

    return encode


def _vector(session: onnxruntime.InferenceSession, ids: Sequence[int]) -> Vectors:
    tokens = np.array([ids], np.int64)
    (vector,) = session.run(["embedding"], {"tokens": tokens, "mask": np.ones_like(tokens)})
    return np.asarray(vector, np.float32)
