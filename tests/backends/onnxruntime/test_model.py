"""The backend in a real Triton: what goes in and what comes out, compared with onnxruntime itself."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import pytest
import tritonclient.grpc as triton_client
import tritonclient.grpc.aio as triton_aio
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from tests.triton_server import RunningTriton

Arrays = dict[str, npt.NDArray[np.generic]]


@pytest.fixture
async def client(triton: RunningTriton) -> AsyncIterator[triton_aio.InferenceServerClient]:
    async with triton_aio.InferenceServerClient(triton.url) as client:
        yield client


def denoiser_inputs(batch: int = 1, height: int = 8, width: int = 12, seed: int = 1) -> Arrays:
    """No two elements are the same: a Triton that reads an array wrongly is seen."""
    random = np.random.default_rng(seed)
    shapes = {
        "latents": (batch, 4, height, width),
        "sigma": (batch, 1),
        "sigma_next": (batch, 1),
        "guidance": (batch, 1),
        "embeddings": (batch, 77, 8),
        "negative_embeddings": (batch, 77, 8),
        "pooled": (batch, 8),
        "negative_pooled": (batch, 8),
        "time_ids": (batch, 6),
    }
    return {name: random.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()}


async def infer(
    client: triton_aio.InferenceServerClient, model: str, arrays: Arrays, output: str
) -> np.ndarray:
    inputs = []
    for name, array in arrays.items():
        inputs.append(triton_client.InferInput(name, array.shape, np_to_triton_dtype(array.dtype)))
        inputs[-1].set_data_from_numpy(array)
    answer = await client.infer(model, inputs, client_timeout=30)
    made: np.ndarray = answer.as_numpy(output)
    return made


def expected(repository: Path, model: str, arrays: Arrays, output: str) -> np.ndarray:
    path = repository / model / "1" / "model.onnx"
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    made: np.ndarray = session.run([output], arrays)[0]
    return made


@pytest.mark.parametrize("batch", [1, 3, 8])
async def test_floats_cross_intact(
    client: triton_aio.InferenceServerClient, tiny_repository: Path, batch: int
) -> None:
    arrays = denoiser_inputs(batch)
    made = await infer(client, "tiny-denoiser", arrays, "next_latents")
    wanted = expected(tiny_repository, "tiny-denoiser", arrays, "next_latents")
    assert np.allclose(made, wanted, atol=1e-5)


async def test_integers_cross_intact(client: triton_aio.InferenceServerClient, tiny_repository: Path) -> None:
    random = np.random.default_rng(2)
    arrays: Arrays = {name: random.integers(0, 98, (2, 77)) for name in ("tokens", "tokens_2")}
    made = await infer(client, "tiny-text-encoder", arrays, "embeddings")
    wanted = expected(tiny_repository, "tiny-text-encoder", arrays, "embeddings")
    assert np.array_equal(made, wanted)


async def test_requests_of_many_sizes_at_once_are_all_right(
    client: triton_aio.InferenceServerClient, tiny_repository: Path
) -> None:
    requests = [denoiser_inputs(1 + i % 3, 8 + 4 * (i % 2), 12, seed=i) for i in range(12)]
    made = await asyncio.gather(
        *(infer(client, "tiny-denoiser", arrays, "next_latents") for arrays in requests)
    )
    for arrays, latents in zip(requests, made, strict=True):
        wanted = expected(tiny_repository, "tiny-denoiser", arrays, "next_latents")
        assert np.allclose(latents, wanted, atol=1e-5)


async def test_a_request_that_makes_no_numbers_fails_alone_and_names_what_ran(
    client: triton_aio.InferenceServerClient, tiny_repository: Path
) -> None:
    good, bad = denoiser_inputs(), denoiser_inputs()
    bad["latents"] = np.full_like(bad["latents"], np.nan)
    calls = [
        infer(client, "tiny-denoiser", arrays, "next_latents") for arrays in (good, bad, good, bad, good)
    ]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    wanted = expected(tiny_repository, "tiny-denoiser", good, "next_latents")
    for outcome in outcomes[::2]:
        assert isinstance(outcome, np.ndarray) and np.allclose(outcome, wanted, atol=1e-5)
    for outcome in outcomes[1::2]:
        assert isinstance(outcome, InferenceServerException)
        told = outcome.message()
        assert re.fullmatch(r"next_latents is not a number \(by (openvino|onnxruntime) [0-9.]+ \w+\)", told)


async def test_a_request_of_another_shape_is_refused(client: triton_aio.InferenceServerClient) -> None:
    arrays = denoiser_inputs() | {"pooled": np.zeros((1, 9), np.float32)}
    with pytest.raises(InferenceServerException, match="pooled"):
        await infer(client, "tiny-denoiser", arrays, "next_latents")
