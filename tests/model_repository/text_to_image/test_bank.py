"""Characters in a bank's slots, in a real Triton with the toy networks."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from embedded.part import python_of
from frontend.domain.picture import PictureOrder
from frontend.inference.client import Inference
from tests.banked_models import CHARACTERS, SLOTS, write_factors
from tests.model_repository.text_to_image.test_model import denoiser_steps, furthest, paint, paint_all
from tests.orders import ignore, order
from tests.triton_server import ROOT, RunningTriton, serving_triton


@pytest.fixture(scope="module")
def banked_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("banked")
    command = [python_of("triton"), "-m", "tests.banked_models", str(folder)]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    return folder


@pytest.fixture(scope="module")
def banked_triton(
    banked_repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningTriton]:
    with serving_triton([banked_repository], tmp_path_factory.mktemp("banked_triton")) as running:
        yield running


@pytest.fixture
async def banked(banked_triton: RunningTriton) -> AsyncIterator[Inference]:
    client = Inference([banked_triton.url], timeout_s=60)
    yield client
    await client.close()


def of(name: str, steps: int = 4) -> PictureOrder:
    return order(model="banked", character=name, steps=steps)


async def test_each_character_is_drawn_as_itself_alone_and_among_others(
    banked: Inference, banked_triton: RunningTriton
) -> None:
    names = ("", *CHARACTERS)
    alone = [await paint(banked, of(name, steps=8)) for name in names]
    assert all(furthest(one, other) > 10 for at, one in enumerate(alone) for other in alone[:at])
    before = await denoiser_steps(banked_triton, "banked-denoiser")
    together = await paint_all(banked, [of(name, steps=8) for name in names * 4])
    after = await denoiser_steps(banked_triton, "banked-denoiser")
    assert all(furthest(one, alone[at % len(names)]) == 0 for at, one in enumerate(together))
    assert after[0] - before[0] > after[1] - before[1]  # different characters shared executions


async def test_slots_are_filled_when_asked_for_and_the_least_recently_used_goes(
    banked: Inference, banked_triton: RunningTriton
) -> None:
    assert SLOTS == 2
    for name in ("nova", "zeta"):
        await paint(banked, of(name))
    loads = banked_triton.count("into slot")
    await paint_all(banked, [of("nova"), of("zeta"), of("nova")])
    assert banked_triton.count("into slot") == loads
    first = banked_triton.count("banked--yuri into slot")
    pictures = await paint_all(banked, [of("yuri")] * 10)
    assert banked_triton.count("banked--yuri into slot") == first + 1
    assert all(furthest(picture, pictures[0]) == 0 for picture in pictures)


async def test_a_character_whose_factors_were_replaced_is_the_new_one(
    banked: Inference, banked_repository: Path
) -> None:
    folder = banked_repository / "banked-denoiser--nova"
    before = await paint(banked, of("nova"))
    write_factors(folder, seed=9, strength=1.0)
    other = await paint(banked, of("nova"))
    write_factors(folder, seed=1, strength=1.0)
    again = await paint(banked, of("nova"))
    assert furthest(before, other) > 10
    assert furthest(before, again) == 0


async def test_a_picture_tells_its_lora_and_strength(banked: Inference) -> None:
    plain, yuri = [(await banked.text_to_image(of(name), ignore)).weights for name in ("", "yuri")]
    assert plain == {"engine": "e" * 64}
    assert yuri == {**plain, "base": "e" * 64, "lora": f"{3:064x}", "lora_strength": "0.5"}


async def test_factors_of_another_export_fail_the_order_and_nothing_else(
    banked: Inference, banked_repository: Path
) -> None:
    write_factors(banked_repository / "banked-denoiser--odd", seed=4, strength=1.0, prefix="other.")
    wanted = await paint(banked, of("zeta"))
    results = await asyncio.gather(
        banked.text_to_image(of("odd"), ignore), paint(banked, of("zeta")), return_exceptions=True
    )
    assert isinstance(results[0], Exception) and "another export" in str(results[0])
    assert furthest(wanted, results[1]) == 0


async def test_a_bank_tells_its_characters(banked: Inference) -> None:
    (inventory,) = (await banked.inventories()).values()
    assert inventory and set(CHARACTERS) <= inventory["banked"].characters
