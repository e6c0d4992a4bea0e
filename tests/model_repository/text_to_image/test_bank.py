"""Characters in a bank's slots, in a real Triton with the toy networks."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from frontend.domain.inference_error import InferenceError
from frontend.domain.picture import PictureOrder
from frontend.inference.client import Inference
from tests.banked_models import CHARACTERS, MERGED, SLOTS, STYLES, write_factors
from tests.model_repository.text_to_image.test_model import denoiser_steps, furthest, paint, paint_all
from tests.orders import ignore, order
from tests.triton_server import RunningTriton


@pytest.fixture
async def banked(banked_triton: RunningTriton) -> AsyncIterator[Inference]:
    client = Inference([banked_triton.url], timeout_s=60)
    yield client
    await client.close()


def of(name: str, steps: int = 4, style: str = "", strength: float = 0.0) -> PictureOrder:
    wanted = order(model="banked", character=name, steps=steps)
    return replace(wanted, style=style, style_strength=strength)


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
    assert inventory["banked"].styles == {name: f"{seed:064x}" for name, seed in STYLES.items()}


async def test_a_style_and_a_character_are_drawn_with_alone_together_and_among_others(
    banked: Inference, banked_triton: RunningTriton
) -> None:
    """One bank of two slots; a style and a character of the same name are two LoRAs."""
    wanted = [
        of("", steps=8),
        of("nova", steps=8),
        of("", steps=8, style="ink", strength=0.7),
        of("nova", steps=8, style="ink", strength=0.7),
        of("nova", steps=8, style="ink", strength=-0.7),
        of("nova", steps=8, style="nova", strength=0.7),
        of("zeta", steps=8, style="ink", strength=0.7),
    ]
    alone = [await paint(banked, each) for each in wanted]
    assert all(furthest(one, other) > 2 for at, one in enumerate(alone) for other in alone[:at])
    again = [await paint(banked, each) for each in wanted]
    assert all(furthest(one, other) == 0 for one, other in zip(alone, again, strict=True))
    before = await denoiser_steps(banked_triton, "banked-denoiser")
    together = await paint_all(banked, wanted * 3)
    after = await denoiser_steps(banked_triton, "banked-denoiser")
    assert all(furthest(one, alone[at % len(wanted)]) == 0 for at, one in enumerate(together))
    assert after[0] - before[0] > after[1] - before[1]


async def test_a_style_of_another_strength_needs_no_other_slot(
    banked: Inference, banked_triton: RunningTriton
) -> None:
    first = await paint(banked, of("", style="ink", strength=1.0))
    loads = banked_triton.count("into slot")
    other, again = await paint_all(
        banked, [of("", style="ink", strength=0.3), of("", style="ink", strength=1.0)]
    )
    assert banked_triton.count("into slot") == loads
    assert furthest(first, other) > 2 and furthest(first, again) == 0


async def test_a_picture_tells_the_loras_of_character_and_style(banked: Inference) -> None:
    styled, both = [
        (await banked.text_to_image(of(name, style="ink", strength=0.7), ignore)).weights
        for name in ("", "yuri")
    ]
    ink = {"style_lora": f"{STYLES['ink']:064x}", "style_lora_strength": "0.7"}
    assert styled == {"engine": "e" * 64, "base": "e" * 64, **ink}
    assert both == {**styled, "lora": f"{3:064x}", "lora_strength": "0.5"}


async def test_a_merged_character_is_drawn_with_and_takes_no_styles_lora(banked: Inference) -> None:
    assert furthest(await paint(banked, of("")), await paint(banked, of(MERGED))) > 10
    for name, style, said in ((MERGED, "ink", "networks of banked--rosa's own"), ("", "oil", "in no bank")):
        with pytest.raises(InferenceError, match=said):
            await paint(banked, of(name, style=style, strength=1.0))
