from dataclasses import replace

import pytest
from order import BadOrder, Order

from contract.limits import MAX_COMPOSED_CHARACTERS

GOOD = Order(
    prompt="a quiet lake",
    negative="",
    model="eros",
    character="aya",
    width=1344,
    height=768,
    steps=8,
    guidance=3.5,
    seed=2**63 - 1,
)


def test_an_order_without_character_is_good() -> None:
    assert replace(GOOD, character="").character == ""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"model": ""}, "model is not a valid name"),
        ({"model": "../eros"}, "model is not a valid name"),
        ({"model": "eros--aya"}, "model is not a valid name"),
        ({"model": "Eros"}, "model is not a valid name"),
        ({"model": "eros\n"}, "model is not a valid name"),
        ({"model": "eros_2"}, "model is not a valid name"),
        ({"character": "a/b"}, "character is not a valid name"),
        ({"character": "a" * 65}, "character is not a valid name"),
        ({"width": 0}, "width is 0, expected 1 to 2048"),
        ({"height": 2049}, "height is 2049, expected 1 to 2048"),
        ({"steps": 0}, "steps is 0, expected 1 to 100"),
        ({"steps": 101}, "steps is 101, expected 1 to 100"),
        ({"guidance": -0.1}, "guidance is -0.1, expected 0.0 to 30.0"),
        ({"guidance": float("nan")}, "guidance is nan, expected 0.0 to 30.0"),
        ({"guidance": float("inf")}, "guidance is inf, expected 0.0 to 30.0"),
        ({"seed": -1}, "seed is -1"),
        ({"prompt": "x" * (MAX_COMPOSED_CHARACTERS + 1)}, "prompt has 40001 characters, at most 40000"),
    ],
)
def test_an_order_out_of_range_is_refused(change: dict[str, object], told: str) -> None:
    with pytest.raises(BadOrder, match=told):
        replace(GOOD, **change)  # type: ignore[arg-type]
