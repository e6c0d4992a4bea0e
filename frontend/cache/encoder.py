"""What a prompt is to the cache: a vector of unit length, made by a Triton model."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from frontend.domain.inference_error import InferenceError

EMBEDDING, ENCODER = "embedding", "encoder"
OFF_UNIT = 1e-3
"""How far from 1 a vector's length may be."""
MAX_DIMENSIONS = 4096
IDENTITY_LENGTH = 64
"""Characters: SHA-256 in hexadecimal."""
Embedding = npt.NDArray[np.float32]


class EncoderError(Exception):
    """No vector. One line for logs."""


class Infers(Protocol):
    """frontend.inference.client.Inference."""

    async def infer(
        self,
        model: str,
        inputs: Mapping[str, npt.NDArray[Any]],
        outputs: Sequence[str],
        *,
        timeout_s: float,
    ) -> dict[str, npt.NDArray[Any]]: ...


class PromptEncoder:
    """Texts as vectors. Those of two encoders cannot be compared, so this one has one identity for life.

    The first answer sets it. Whatever answers with another one afterwards, such as a Triton in which the
    encoder was replaced, is refused until this process starts anew.
    """

    def __init__(self, inference: Infers, model: str, timeout_ms: int) -> None:
        self._inference = inference
        self._model = model
        self._timeout_s = timeout_ms / 1000
        self._identity = ""

    async def encode(self, text: str) -> Embedding:
        """[dimension], of unit length: the dot product of two is their similarity. Raises EncoderError."""
        embedding, identity = await self._ask(text)
        self._identity = self._identity or identity
        if identity != self._identity:
            raise EncoderError(f"the encoder was {self._identity} and is {identity}: start this server anew")
        return embedding

    async def identity(self) -> str:
        """Model, weights and dimension in one line, as `prompt-encoder:SHA-256:384`. Keep it with vectors.

        Raises EncoderError.
        """
        if not self._identity:
            await self.encode("")
        return self._identity

    async def _ask(self, text: str) -> tuple[Embedding, str]:
        try:
            texts = np.array([[text.encode()]], dtype=object)
        except UnicodeEncodeError:
            raise EncoderError("the text has half a character, which UTF-8 has no bytes for") from None
        try:
            answer = await self._inference.infer(
                self._model, {"text": texts}, (EMBEDDING, ENCODER), timeout_s=self._timeout_s
            )
        except InferenceError as error:
            raise EncoderError(f"no vector: {error}") from None
        embedding = _embedding(answer[EMBEDDING])
        return embedding, f"{self._model}:{_digest(answer[ENCODER])}:{len(embedding)}"


def _embedding(found: npt.NDArray[Any]) -> Embedding:
    if found.dtype != np.float32 or found.ndim != 2 or len(found) != 1:
        raise EncoderError(f"the encoder answers {found.dtype} {list(found.shape)}, not float32 [1, any]")
    vector: Embedding = found[0]
    if not 1 <= len(vector) <= MAX_DIMENSIONS:
        raise EncoderError(f"the encoder's vector has {len(vector)} dimensions, not 1 to {MAX_DIMENSIONS}")
    length = float(np.linalg.norm(vector))
    if not abs(length - 1) <= OFF_UNIT:  # so written, what is no number fails
        raise EncoderError(f"the encoder's vector has the length {length:g}, not 1")
    return vector


def _digest(found: npt.NDArray[Any]) -> str:
    value = found.reshape(-1)[0] if found.size == 1 else b""
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else ""
    if len(text) != IDENTITY_LENGTH or not set(text) <= set("0123456789abcdef"):
        raise EncoderError("the encoder does not tell which one it is")
    return text
