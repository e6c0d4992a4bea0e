"""text_to_image in a real Triton, with toy networks."""

import asyncio
import contextlib
import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc.aio as triton_aio

from embedded.processes import processes
from frontend.domain.inference_error import FailureScope, InferenceError
from frontend.domain.picture import PictureOrder
from frontend.inference.client import Inference
from tests.orders import ignore, order
from tests.triton_server import RunningTriton

LOADS = "model_control: load tiny-denoiser--"  # in Triton's log
LOADS_CLEO = f"{LOADS}cleo"
PATIENCE_S = 60.0
LARGE = order(width=2048, height=2048, steps=100)  # many milliseconds a step


async def paint(inference: Inference, wanted: PictureOrder) -> np.ndarray:
    return (await inference.text_to_image(wanted, ignore)).pixels


async def paint_all(inference: Inference, orders: list[PictureOrder]) -> list[np.ndarray]:
    return await asyncio.gather(*(paint(inference, wanted) for wanted in orders))


def furthest(first: np.ndarray, second: np.ndarray) -> int:
    """The largest difference of a channel of a pixel, of 255."""
    return int(np.abs(first.astype(int) - second.astype(int)).max())


async def denoiser_steps(triton: RunningTriton, model: str = "tiny-denoiser") -> tuple[int, int]:
    """Steps (of one picture each) and executions (of a batch each) so far."""
    async with triton_aio.InferenceServerClient(triton.url) as client:
        statistics = (await client.get_inference_statistics(model)).model_stats[0]
    return statistics.inference_count, statistics.execution_count


async def test_the_same_seed_gives_the_same_pixels(inference: Inference) -> None:
    first, second, other = await paint_all(inference, [order(), order(), order(seed=8)])
    assert furthest(first, second) == 0
    assert furthest(first, other) > 20


async def test_weights_and_windows_of_a_prompt_show_and_those_of_one_do_not(inference: Inference) -> None:
    plain, weighted, negative, windows, of_one = await paint_all(
        inference,
        [
            order("boats in a harbour", negative="rain"),
            order("(boats:1.5) in a harbour", negative="rain"),
            order("boats in a harbour", negative="(rain:1.5)"),
            order("boats BREAK in a harbour", negative="rain"),
            order("(boats:1.0) in a harbour", negative="rain"),
        ],
    )
    assert all(furthest(plain, other) > 0 for other in (weighted, negative, windows))
    assert furthest(plain, of_one) == 0


async def test_company_does_not_change_a_picture(inference: Inference) -> None:
    wanted = order("boats in a harbour", guidance=4.5, width=512, height=512, steps=6)
    alone = await paint(inference, wanted)
    company = [
        order(f"scene {number}", width=512, height=512, steps=4 + number, seed=number) for number in range(7)
    ]
    together = await paint_all(inference, [*company[:4], wanted, *company[4:]])
    assert furthest(alone, together[4]) == 0


async def test_pictures_of_different_sizes_at_once_are_all_right(inference: Inference) -> None:
    orders = [order(width=w, height=h, seed=w) for w, h in ((64, 64), (128, 64), (64, 128), (256, 192))] * 2
    alone = [await paint(inference, wanted) for wanted in orders]
    together = await paint_all(inference, orders)
    for wanted, first, second in zip(orders, alone, together, strict=True):
        assert first.shape == (wanted.height, wanted.width, 3)
        assert furthest(first, second) <= 1


async def test_orders_at_once_share_executions(inference: Inference, triton: RunningTriton) -> None:
    before = await denoiser_steps(triton)
    await paint_all(inference, [order(seed=seed, steps=20, width=1024, height=1024) for seed in range(8)])
    after = await denoiser_steps(triton)
    assert after[0] - before[0] == 8 * 20
    assert (after[0] - before[0]) / (after[1] - before[1]) > 1.2


async def test_progress_rises_step_by_step(inference: Inference) -> None:
    shares: list[float] = []

    async def note(share: float) -> None:
        shares.append(share)

    picture = await inference.text_to_image(order(steps=9), note)
    assert shares == pytest.approx([step / 10 for step in range(1, 10)])
    assert set(picture.timings_ms) == {"encode", "denoise", "decode"}
    assert all(value > 0 for value in picture.timings_ms.values())


async def test_the_tail_of_a_long_prompt_counts(inference: Inference) -> None:
    long = "a path through the hills, " * 8
    first, second = await paint_all(inference, [order(long + "at noon"), order(long + "at dusk")])
    assert furthest(first, second) > 0
    first, second = await paint_all(inference, [order(negative=long + "fog"), order(negative=long + "ice")])
    assert furthest(first, second) > 0


async def test_the_longest_prompt_that_can_be_composed_is_drawn(inference: Inference) -> None:
    longest = "one word " * 4 + "n" * 31_950  # 427 windows
    first, second = await paint_all(inference, [order(longest + end, negative=longest) for end in ("x", "y")])
    assert furthest(first, second) > 0


async def test_a_cancelled_order_stops_at_its_next_step(inference: Inference, triton: RunningTriton) -> None:
    before, _ = await denoiser_steps(triton)
    started = asyncio.Event()

    async def note(share: float) -> None:
        started.set()

    running = asyncio.create_task(inference.text_to_image(LARGE, note))
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    steps = [-1, (await denoiser_steps(triton))[0]]
    while steps[-1] != steps[-2]:  # until no step follows for as long as ten of them take
        await asyncio.sleep(0.5)
        steps.append((await denoiser_steps(triton))[0])
    assert steps[-1] - before < 50


async def test_ten_orders_for_one_absent_character_cause_one_load(
    inference: Inference, triton: RunningTriton
) -> None:
    for name in ("aya", "bella"):  # there is room for two: cleo is out
        await paint(inference, order(character=name))
    before = triton.count(LOADS_CLEO)
    pictures = await paint_all(inference, [order(character="cleo")] * 10)
    assert triton.count(LOADS_CLEO) == before + 1
    assert all(furthest(picture, pictures[0]) <= 1 for picture in pictures)


async def test_characters_in_use_are_not_unloaded(inference: Inference) -> None:
    """Three characters compete for room for two; whoever lost its networks half-way would fail."""
    orders = [
        order(steps=5, character=name, seed=seed)
        for name in ("", "aya", "bella", "cleo")
        for seed in range(2)
    ]
    alone = [await paint(inference, wanted) for wanted in orders]
    assert furthest(alone[0], alone[2]) > 0 and furthest(alone[4], alone[6]) > 0
    together = await paint_all(inference, orders)
    assert all(furthest(*pair) <= 1 for pair in zip(alone, together, strict=True))


async def test_other_orders_go_on_while_a_character_loads(
    inference: Inference, triton: RunningTriton
) -> None:
    # There is room for two, so each is loaded in its turn. On a busy machine a load may leave time for one
    # order only, which may have ended with it; if loads held others up, no load would ever leave more.
    served = 0
    for name in ("aya", "bella", "cleo") * 3:
        before = triton.count(LOADS)
        loading = asyncio.create_task(paint(inference, order(character=name)))
        while triton.count(LOADS) == before and not loading.done():
            await asyncio.sleep(0.01)
        served = 0
        while not loading.done():  # Triton takes a second or so to start the network's process
            await paint(inference, order(seed=served))
            served += 1
        await loading
        if served > 1:
            break
    assert served > 1


async def test_a_character_is_put_in_service_broken_and_mended_without_a_restart(
    inference: Inference, tiny_repository: Path
) -> None:
    folder = tiny_repository / "tiny-denoiser--dora"
    shutil.copytree(tiny_repository / "tiny-denoiser--bella", folder)
    config = (folder / "config.pbtxt").read_text()
    (folder / "config.pbtxt").write_text(config.replace("bella", "dora"))
    first, bella = await paint_all(inference, [order(character="dora"), order(character="bella")])
    assert furthest(first, bella) <= 1
    replace_network(folder, b"no network")
    for _ in range(2):
        with pytest.raises(InferenceError, match="tiny-denoiser--dora: could not be loaded"):
            await paint(inference, order(character="dora"))
    replace_network(folder, (tiny_repository / "tiny-denoiser--cleo" / "1" / "model.onnx").read_bytes())
    second, cleo = await paint_all(inference, [order(character="dora"), order(character="cleo")])
    assert furthest(second, cleo) <= 1 < furthest(first, second)


def stubs_of(triton: RunningTriton, model: bytes) -> list[int]:
    """The processes that serve a model."""
    found = []
    for child, _, _, parent in processes():
        with contextlib.suppress(OSError):  # ended while we looked
            if parent == triton.pid and model in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(child)
    return found


async def test_a_character_whose_process_died_is_loaded_anew(
    inference: Inference, triton: RunningTriton
) -> None:
    before = await paint(inference, order(character="bella"))
    # Where it was loaded anew just now, the process before is still ending.
    deadline = time.monotonic() + PATIENCE_S
    while len(stubs := stubs_of(triton, b"tiny-denoiser--bella")) > 1:
        assert time.monotonic() < deadline, stubs
        await asyncio.sleep(0.05)
    os.kill(stubs[0], signal.SIGKILL)
    with pytest.raises(InferenceError, match="tiny-denoiser--bella"):
        await paint(inference, order(character="bella"))
    assert furthest(before, await paint(inference, order(character="bella"))) == 0


def replace_network(folder: Path, data: bytes) -> None:
    (folder / "1" / "new").write_bytes(data)
    (folder / "1" / "new").rename(folder / "1" / "model.onnx")


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (order(model="nope"), "unknown model nope"),
        (order(model="../tiny"), "model is not a valid name"),
        (order(character="nobody"), "unknown character nobody of model tiny"),
        (order(width=100), "width is 100, expected a multiple of 8"),
        (order(width=4096), "width is 4096, expected 1 to 2048"),
        (order(steps=101), "steps is 101, expected 1 to 100"),
        (order(guidance=31), "guidance is 31.0, expected 0.0 to 30.0"),
        (order(seed=-1), "seed is -1"),
        (order("a" * 40_001), "prompt has 40001 characters, at most 40000 are taken"),
    ],
)
async def test_a_bad_order_is_refused_in_one_line(
    inference: Inference, wanted: PictureOrder, told: str
) -> None:
    with pytest.raises(InferenceError, match=told) as caught:
        await paint(inference, wanted)
    assert caught.value.scope is FailureScope.ORDER and "\n" not in str(caught.value)
