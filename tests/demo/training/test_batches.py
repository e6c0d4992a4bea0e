from __future__ import annotations

from demo.training.batches import batch
from demo.training.workplace import Workplace


def test_the_same_step_sees_the_same(workplace: Workplace) -> None:
    one, other = (batch(workplace.latents(), workplace.config, 3) for _ in range(2))
    assert one.captions == other.captions
    assert one.clean.equal(other.clean)


def test_a_told_picture_is_called_by_its_name(workplace: Workplace) -> None:
    for step in range(4):
        drawn = batch(workplace.character_latents("aya"), workplace.config, step, told=True)
        assert all("aya" in words for words in drawn.captions)
