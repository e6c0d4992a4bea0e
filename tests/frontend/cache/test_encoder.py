"""What the client takes for a vector, from encoders that answer as a test wants."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from frontend.cache.encoder import EncoderError, PromptEncoder
from frontend.domain.inference_error import InferenceError

ONE, OTHER = "a" * 64, "b" * 64


def unit(size: int = 4) -> npt.NDArray[np.float32]:
    return np.full((1, size), size**-0.5, np.float32)


def named(digest: object) -> npt.NDArray[Any]:
    return np.array([[digest]], dtype=object)


@dataclass
class FakeEncoder:
    """An encoder that is a list of answers; the last one stays."""

    answers: list[tuple[npt.NDArray[Any], npt.NDArray[Any]] | Exception]
    asked: list[tuple[str, bytes, float]] = field(default_factory=list)

    async def infer(
        self, model: str, inputs: Mapping[str, npt.NDArray[Any]], outputs: Sequence[str], *, timeout_s: float
    ) -> dict[str, npt.NDArray[Any]]:
        (text,) = inputs["text"][0]
        self.asked.append((model, text, timeout_s))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return dict(zip(outputs, answer, strict=True))


def of(fake: FakeEncoder, model: str = "prompt-encoder", timeout_ms: int = 500) -> PromptEncoder:
    return PromptEncoder(fake, model, timeout_ms)


async def test_text_and_settings_arrive_and_the_vector_comes_back() -> None:
    fake = FakeEncoder([(unit(), named(ONE.encode()))])
    encoder = of(fake, model="mine", timeout_ms=250)
    assert (await encoder.encode("été 🦊")).tolist() == [0.5] * 4
    assert fake.asked == [("mine", "été 🦊".encode(), 0.25)]
    assert await encoder.identity() == f"mine:{ONE}:4"
    assert len(fake.asked) == 1


async def test_the_identity_is_asked_for_where_nothing_was_encoded_yet() -> None:
    fake = FakeEncoder([(unit(9), named(ONE.encode()))])
    assert await of(fake).identity() == f"prompt-encoder:{ONE}:9"
    assert [text for _, text, _ in fake.asked] == [b""]


@pytest.mark.parametrize(
    "later", [(unit(), named(OTHER.encode())), (unit(8), named(ONE.encode()))], ids=["weights", "dimension"]
)
async def test_vectors_of_two_encoders_never_mix(later: tuple[Any, Any]) -> None:
    first = (unit(), named(ONE.encode()))
    encoder = of(FakeEncoder([first, later, first]))
    await encoder.encode("a")
    with pytest.raises(EncoderError, match=f"the encoder was prompt-encoder:{ONE}:4 and is .*: start this"):
        await encoder.encode("a")
    assert await encoder.identity() == f"prompt-encoder:{ONE}:4"
    assert (await encoder.encode("a")).shape == (4,)


@pytest.mark.parametrize(
    ("embedding", "encoder", "message"),
    [
        (unit() * 2, named(ONE.encode()), "has the length 2, not 1"),
        (unit() * np.nan, named(ONE.encode()), "has the length nan"),
        (unit() * np.inf, named(ONE.encode()), "has the length inf"),
        (np.zeros((1, 4), np.float32), named(ONE.encode()), "has the length 0"),
        (unit().astype(np.float64), named(ONE.encode()), "answers float64"),
        (unit()[0], named(ONE.encode()), r"answers float32 \[4\]"),
        (np.repeat(unit(), 2, axis=0), named(ONE.encode()), r"answers float32 \[2, 4\]"),
        (np.zeros((1, 0), np.float32), named(ONE.encode()), "has 0 dimensions"),
        (unit(8192), named(ONE.encode()), "has 8192 dimensions"),
        (unit(), named(b"version 3"), "does not tell which one it is"),
        (unit(), named(b"\xff" * 64), "does not tell which one it is"),
        (unit(), np.array([[ONE.encode()] * 2], dtype=object), "does not tell which one it is"),
        (unit(), np.zeros((1, 1), np.float32), "does not tell which one it is"),
    ],
)
async def test_what_is_no_vector_is_refused(embedding: Any, encoder: Any, message: str) -> None:
    with pytest.raises(EncoderError, match=message):
        await of(FakeEncoder([(embedding, encoder)])).encode("a")


async def test_an_error_of_triton_is_the_encoders() -> None:
    with pytest.raises(EncoderError, match="no vector: no Triton takes orders"):
        await of(FakeEncoder([InferenceError("no Triton takes orders")])).encode("a")


async def test_half_a_character_is_refused_before_it_is_sent() -> None:
    fake = FakeEncoder([(unit(), named(ONE.encode()))])
    with pytest.raises(EncoderError, match="half a character"):
        await of(fake).encode("\ud83e")
    assert not fake.asked
