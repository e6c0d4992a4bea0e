"""The prompt encoder in a real Triton, asked as the frontend asks it."""

import asyncio
import contextlib
import hashlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from embedded.part import running
from embedded.triton import triton_part
from frontend.cache.encoder import Embedding, EncoderError, PromptEncoder
from frontend.domain.inference_error import FailureScope, InferenceError
from frontend.inference.client import Inference
from tests.backends.prompt_encoder.test_encoder import PAIRS, PROMPTS, SHIPPED, TOLERANCE
from tests.triton_server import RunningTriton

PATIENT_MS = 10_000  # the tests' machine may be busy
IN_COMPANY = 16  # prompts
OUTPUTS = ("embedding", "encoder")


@pytest.fixture
async def inference(triton: RunningTriton) -> AsyncIterator[Inference]:
    client = Inference([triton.url], timeout_s=60)
    yield client
    await client.close()


@pytest.fixture
def encoder(inference: Inference) -> PromptEncoder:
    return PromptEncoder(inference, "prompt-encoder", PATIENT_MS)


async def batch(inference: Inference, *texts: bytes) -> npt.NDArray[np.float32]:
    arrays = {"text": np.array([[text] for text in texts], dtype=object)}
    return (await inference.infer("prompt-encoder", arrays, OUTPUTS, timeout_s=10))["embedding"]


async def in_company(encoder: PromptEncoder) -> AsyncIterator[Embedding]:
    """Of each prompt. Triton refuses what waits for 2 s, which all at once do on a busy machine."""
    for start in range(0, len(PROMPTS), IN_COMPANY):
        for vector in await asyncio.gather(*map(encoder.encode, PROMPTS[start : start + IN_COMPANY])):
            yield vector


async def test_similarities_are_those_of_torch(encoder: PromptEncoder) -> None:
    found = [float(await encoder.encode(one) @ await encoder.encode(other)) for one, other, _ in PAIRS]
    assert found == pytest.approx([wanted for *_, wanted in PAIRS], abs=TOLERANCE)


async def test_prompts_at_once_have_the_vectors_that_they_have_alone(
    inference: Inference, encoder: PromptEncoder
) -> None:
    alone = np.array([await encoder.encode(text) for text in PROMPTS])
    at_once = np.array([vector async for vector in in_company(encoder)])
    batched = await batch(inference, *(text.encode() for text in PROMPTS[:32]))
    assert np.abs(at_once - alone).max() < 1e-6
    assert np.abs(batched - alone[:32]).max() < 1e-6


async def test_the_identity_names_model_weights_and_dimension(encoder: PromptEncoder) -> None:
    whole = hashlib.sha256()
    for file in (SHIPPED / "1" / "model.onnx", SHIPPED / "tokenizer.json"):
        whole.update(file.stat().st_size.to_bytes(8, "little") + file.read_bytes())
    assert await encoder.identity() == f"prompt-encoder:{whole.hexdigest()}:384"


@pytest.mark.parametrize("text", ["", "🦊 in the snow", "水" * 4000, "fox " * 1000])
async def test_any_prompt_has_a_vector(encoder: PromptEncoder, text: str) -> None:
    vector = await encoder.encode(text)
    assert vector.shape == (384,) and vector.dtype == np.float32
    assert float(np.linalg.norm(vector)) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("text", "message"), [(b"\xff", "text is not valid UTF-8"), (b"x" * 40_000, "text has 40000 bytes")]
)
async def test_what_is_no_text_is_refused_and_harms_nobody(
    inference: Inference, text: bytes, message: str
) -> None:
    good, bad = await asyncio.gather(
        batch(inference, b"a fox"), batch(inference, text), return_exceptions=True
    )
    assert isinstance(bad, InferenceError) and message in str(bad) and bad.scope is FailureScope.ORDER
    assert isinstance(good, np.ndarray) and good.shape == (1, 384)


async def test_a_prompt_that_is_too_long_has_no_vector(encoder: PromptEncoder) -> None:
    with pytest.raises(EncoderError, match="text has 40000 bytes; at most 32768 are taken"):
        await encoder.encode("x" * 40_000)


async def test_an_encoder_that_is_not_there_is_told(inference: Inference) -> None:
    other = PromptEncoder(inference, "other", PATIENT_MS)
    with pytest.raises(EncoderError, match="unknown model: 'other'"):
        await other.encode("a fox")


async def test_callers_that_give_up_leave_the_encoder_well(
    inference: Inference, encoder: PromptEncoder
) -> None:
    hasty = PromptEncoder(inference, "prompt-encoder", 10)
    long = ["tree " * 250] * 64
    gone = await asyncio.gather(*map(hasty.encode, long), return_exceptions=True)
    assert any(isinstance(one, EncoderError) for one in gone)
    assert (await sooner_or_later(encoder)).shape == (384,)  # what was given up is worked on meanwhile


@pytest.mark.triton
async def test_a_server_that_dies_is_an_error_and_then_a_new_one_is_found(tmp_path: Path) -> None:
    part = triton_part(data_dir=tmp_path, repositories=[], threads=1)
    inference = Inference([part.url], timeout_s=60)
    encoder = PromptEncoder(inference, "prompt-encoder", PATIENT_MS)
    with pytest.raises(EncoderError, match=r"UNAVAILABLE|failed to connect"):
        await encoder.encode("a fox")
    async with running(part, tmp_path) as process:
        before = await sooner_or_later(encoder)
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
        with pytest.raises(EncoderError):
            await encoder.encode("a fox")
    again = triton_part(data_dir=tmp_path, repositories=[], threads=1)
    async with running(again, tmp_path):
        after = await sooner_or_later(encoder)
    await inference.close()
    assert np.array_equal(before, after)


async def sooner_or_later(encoder: PromptEncoder) -> Embedding:
    """A server that was not there is not asked again at once, and a busy one takes its time."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(EncoderError):
                return await encoder.encode("a fox")
            await asyncio.sleep(0.1)
