"""text_to_image in a real Triton, with the networks of the demo catalogue."""

import numpy as np
import pytest

from frontend.inference.client import Inference
from tests.model_repository.text_to_image.test_model import furthest, paint, paint_all
from tests.orders import order


async def test_the_same_seed_gives_the_same_pixels(demo_inference: Inference) -> None:
    wanted = order("a red kite over a beach", model="eros", width=256, height=192)
    first = await paint(demo_inference, wanted)
    assert first.shape == (192, 256, 3) and len(np.unique(first)) > 50
    assert furthest(first, await paint(demo_inference, wanted)) == 0


async def test_company_does_not_change_a_picture(demo_inference: Inference) -> None:
    wanted = order("a fox reading a book", model="eros", width=256, height=192, steps=4)
    alone = await paint(demo_inference, wanted)
    company = [
        order(f"{number} boats", model="eros", width=256, height=192, seed=number, steps=3)
        for number in range(7)
    ]
    together = await paint_all(demo_inference, [*company, wanted])
    assert furthest(alone, together[-1]) <= 1


async def test_a_character_changes_the_picture(demo_inference: Inference) -> None:
    plain, aya = await paint_all(
        demo_inference,
        [
            order("aya under a tree", model="eros", character=name, width=128, height=128)
            for name in ("", "aya")
        ],
    )
    assert furthest(plain, aya) > 10


async def test_the_tail_of_a_long_prompt_counts(demo_inference: Inference) -> None:
    long = "a tree under warm lighting, " * 20
    first, second = await paint_all(
        demo_inference,
        [order(long + end, model="eros", width=128, height=128) for end in ("a fox", "a book")],
    )
    assert furthest(first, second) > 0


@pytest.mark.parametrize(
    "char",
    [
        "1",  # a token
        "\u6c34",  # three
        "\U00020000",  # four: 214 windows
        "\U0001d160",  # twelve, the most there are: the tokenizers spell it as three characters
    ],
)
async def test_a_prompt_of_4000_characters_of_any_script_is_drawn_and_none_is_cut(
    demo_inference: Inference, char: str
) -> None:
    first, second = await paint_all(
        demo_inference,
        [
            order(char * 3996 + end, negative=char * 8000, model="eros", width=128, height=128)
            for end in (" fox", " sea")
        ],
    )
    assert first.shape == (128, 128, 3) and furthest(first, second) > 0
