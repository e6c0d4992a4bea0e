"""A whole model is loaded into a Triton that draws, drawn with, and unloaded."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from embedded.models.errors import ModelError
from embedded.models.triton_control import TritonControl
from frontend.domain.inference_error import InferenceError
from frontend.inference.client import Inference
from tests.orders import ignore, order
from tests.triton_server import RunningTriton

PARTS = ("text-encoder", "denoiser", "decoder")


@pytest.fixture
def control(triton: RunningTriton) -> TritonControl:
    return TritonControl(triton.log.parent, triton.url)


@pytest.fixture
def other(tiny_repository: Path) -> Iterator[Path]:
    """The repository of that Triton, with a second model `other` in it."""
    for part in PARTS:
        folder = tiny_repository / f"other-{part}"
        shutil.copytree(tiny_repository / f"tiny-{part}", folder)
        config = folder / "config.pbtxt"
        config.write_text(config.read_text().replace(f"tiny-{part}", f"other-{part}"))
    yield tiny_repository
    for part in PARTS:
        shutil.rmtree(tiny_repository / f"other-{part}", ignore_errors=True)


async def models_of(inference: Inference) -> set[str]:
    """As Triton tells them; on a busy machine it may have to be asked twice."""
    async with asyncio.timeout(120):
        while True:
            (inventory,) = (await inference.inventories()).values()
            if inventory is not None:
                return set(inventory)


async def test_model_that_came_while_triton_served_is_drawn_with_until_it_is_unloaded(
    control: TritonControl, other: Path, triton: RunningTriton
) -> None:
    inference = Inference([triton.url], timeout_s=60)
    try:
        running = asyncio.create_task(inference.text_to_image(order(steps=30), ignore))  # is not disturbed
        for part in PARTS:
            await asyncio.to_thread(control.load, f"other-{part}")
            await asyncio.to_thread(control.load, f"other-{part}")  # is there already: nothing happens
        assert {"tiny", "other"} <= await models_of(inference)
        drawn = await inference.text_to_image(order(model="other"), ignore)
        same = await inference.text_to_image(order(), ignore)
        assert np.array_equal(drawn.pixels, same.pixels)
        await running
        for part in PARTS:
            await asyncio.to_thread(control.unload, f"other-{part}")
            await asyncio.to_thread(control.unload, f"other-{part}")
        assert "other" not in await models_of(inference)
        with pytest.raises(InferenceError):
            await inference.text_to_image(order(model="other"), ignore)
        await inference.text_to_image(order(), ignore)
    finally:
        await inference.close()


async def test_network_that_cannot_be_loaded_is_told_and_triton_serves_on(
    control: TritonControl, other: Path, triton: RunningTriton
) -> None:
    (other / "other-decoder" / "1" / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelError, match=r"Triton could not load other-decoder: .+; see triton\.log"):
        await asyncio.to_thread(control.load, "other-decoder")
    assert not await asyncio.to_thread(control.is_ready, "other-decoder")
    inference = Inference([triton.url], timeout_s=60)
    try:
        await inference.text_to_image(order(), ignore)
    finally:
        await inference.close()


def test_nothing_but_networks_of_models_is_loaded_or_unloaded(control: TritonControl) -> None:
    with pytest.raises(ModelError, match="text_to_image is no model's network"):
        control.unload("text_to_image")
    assert control.is_ready("text_to_image")


def test_triton_without_a_key_is_told(triton: RunningTriton, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is it the one that `imgen up` started"):
        TritonControl(tmp_path, triton.url).unload("tiny-decoder")


def test_triton_that_is_away_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Triton does not answer"):
        TritonControl(tmp_path, "127.0.0.1:9").load("tiny-decoder")
