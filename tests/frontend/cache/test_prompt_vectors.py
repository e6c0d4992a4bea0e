import pytest

from frontend.cache.prompt_vectors import PromptVectors
from tests.fakes import bag_of_words
from tests.frontend.cache.bags import Bags


async def test_a_prompt_is_encoded_once_however_it_is_written() -> None:
    encoder = Bags()
    vectors = PromptVectors(encoder)
    found = [
        await vectors.vector_of(text)
        for text in ("red hair, smiling", "smiling, red hair", "Smiling,  red hair", "red hair, smiling")
    ]
    assert len(encoder.asked) == 1
    assert all((one == bag_of_words(encoder.asked[0])).all() for one in found)
    await vectors.vector_of("blue hair, smiling")
    assert len(encoder.asked) == 2


async def test_what_failed_is_not_remembered() -> None:
    encoder = Bags(fails=True)
    vectors = PromptVectors(encoder)
    with pytest.raises(RuntimeError, match="no encoder"):
        await vectors.vector_of("a boat")
    encoder.fails = False
    await vectors.vector_of("a boat")
    assert len(encoder.asked) == 2


async def test_a_remembered_vector_cannot_be_changed_by_who_gets_it() -> None:
    vectors = PromptVectors(Bags())
    found = await vectors.vector_of("a boat")
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 2


async def test_memory_is_bounded_and_the_one_unused_for_longest_goes_first() -> None:
    encoder = Bags()
    vectors = PromptVectors(encoder, max_bytes=100_000)
    prompts = [f"boat number {n}, {'x' * 500}" for n in range(200)]
    for text in prompts:
        await vectors.vector_of(prompts[0])
        await vectors.vector_of(text)
    asked = len(encoder.asked)
    assert asked == 200
    for text in (prompts[0], *prompts[-5:]):
        await vectors.vector_of(text)
    assert len(encoder.asked) == asked
    for text in prompts[1:6]:
        await vectors.vector_of(text)
    assert len(encoder.asked) == asked + 5
