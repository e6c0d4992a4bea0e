"""The backend in a real Triton: compiled networks, beside what torch itself makes of the same inputs."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as triton_client
import tritonclient.grpc.aio as triton_aio
from tritonclient.utils import InferenceServerException

from embedded.part import python_of, start, stop
from embedded.shared_memory import remove_shared_memory
from embedded.triton import triton_part

ROOT = Path(__file__).resolve().parents[3]
Arrays = dict[str, np.ndarray]
pytestmark = [
    pytest.mark.triton,
    pytest.mark.skipif(not Path(python_of("export")).is_file(), reason="needs torch (make install-export)"),
]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model compiled-mixer, its character aya, and torch's answers of both."""
    folder = tmp_path_factory.mktemp("packages")
    subprocess.run([python_of("export"), str(ROOT / "tests" / "tiny_packages.py"), str(folder)], check=True)
    return folder


@pytest.fixture(scope="module")
def url(repository: Path, tiny_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Triton that has the compiled model and, for text_to_image to be ready, the toy model."""
    (repository / "compiled-mixer--aya").rename(repository / "compiled-aya")  # loaded at start
    config = repository / "compiled-aya" / "config.pbtxt"
    config.write_text(config.read_text().replace("compiled-mixer--aya", "compiled-aya"))
    folder = tmp_path_factory.mktemp("triton_of_packages")
    part = triton_part(data_dir=folder, repositories=[repository, tiny_repository], threads=1)
    with asyncio.Runner() as runner:
        process = runner.run(start(part, folder))
        yield part.url
        runner.run(stop(part, process))
    remove_shared_memory(folder)


@pytest.fixture
async def client(url: str) -> AsyncIterator[triton_aio.InferenceServerClient]:
    async with triton_aio.InferenceServerClient(url) as client:
        yield client


def answers(repository: Path, name: str) -> list[Arrays]:
    """Inputs and outputs by tensor, for each size."""
    with np.load(repository / f"{name}.npz") as file:
        names = {key.rpartition("-")[0] for key in file.files}
        return [{name: file[f"{name}-{number}"] for name in names} for number in range(3)]


async def infer(
    client: triton_aio.InferenceServerClient, model: str, latents: np.ndarray, sigma: np.ndarray
) -> Arrays:
    inputs = []
    for name, array in (("latents", latents), ("sigma", sigma)):
        inputs.append(triton_client.InferInput(name, array.shape, "FP32"))
        inputs[-1].set_data_from_numpy(array)
    answer = await client.infer(model, inputs, client_timeout=60)
    return {name: answer.as_numpy(name) for name in ("next_latents", "total")}


@pytest.mark.parametrize(("model", "of"), [("compiled-mixer", "base"), ("compiled-aya", "aya")])
async def test_package_and_character_make_what_torch_makes(
    client: triton_aio.InferenceServerClient, repository: Path, model: str, of: str
) -> None:
    for wanted in answers(repository, of):
        made = await infer(client, model, wanted["latents"], wanted["sigma"])
        for name, value in made.items():
            assert np.allclose(value, wanted[name], atol=1e-4), name


async def test_requests_of_many_sizes_at_once_are_all_right(
    client: triton_aio.InferenceServerClient, repository: Path
) -> None:
    wanted = answers(repository, "base") * 4
    calls = (infer(client, "compiled-mixer", one["latents"], one["sigma"]) for one in wanted)
    for made, one in zip(await asyncio.gather(*calls), wanted, strict=True):
        assert np.allclose(made["next_latents"], one["next_latents"], atol=1e-4)


async def test_size_that_was_not_compiled_for_is_refused(
    client: triton_aio.InferenceServerClient,
) -> None:
    latents, sigma = np.zeros((1, 4, 9, 8), np.float32), np.zeros((1, 1), np.float32)
    with pytest.raises(InferenceServerException, match="height must be 8 to 168 in steps of 8, got 9"):
        await infer(client, "compiled-mixer", latents, sigma)
