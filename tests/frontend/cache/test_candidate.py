"""What a picture in the cache is, and where it belongs."""

import msgspec
import pytest

from frontend.cache.candidate import candidate, decode, encode, partition
from frontend.catalogue.catalogue import load
from frontend.catalogue.recipe import recipe
from frontend.domain.cache_entry import CachedPicture
from frontend.domain.prompt_intent import PromptIntent
from frontend.prompts.intent import intent_of
from frontend.prompts.prompt import read
from frontend.settings import ROOT
from tests.frontend.jobs.orders import a_job, a_picture, a_verdict

CATALOGUE = load(ROOT / "demo" / "catalogue")
MODEL = CATALOGUE.default_model


def cached(**changes: object) -> CachedPicture:
    job = msgspec.structs.replace(a_job(), intent=PromptIntent("a tree", ("rain",)))
    parts = {"job": job, "picture": a_picture(), "verdict": a_verdict()}
    return CachedPicture(**(parts | changes))  # type: ignore[arg-type]


def test_candidate_is_small_and_comes_back_whole() -> None:
    made = candidate("5-0", cached())
    assert made is not None
    assert decode(encode(made)) == made
    assert len(encode(made)) < 250


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": a_verdict("b" * 64)},
        {"job": a_job()},
        {
            "verdict": msgspec.structs.replace(
                a_verdict(), compliance="unsafe", categories=({"id": "a", "name": "A"},)
            )
        },
    ],
)
def test_picture_without_a_safe_verdict_on_its_bytes_or_for_one_client_alone_is_none(
    changes: dict[str, object],
) -> None:
    assert candidate("5-0", cached(**changes)) is None


def test_partition_tells_keys_apart_only_where_they_do_not_share() -> None:
    one, other = a_job("one"), a_job("two")
    assert partition(one, shared=True) == partition(other, shared=True)
    assert partition(one, shared=False) != partition(other, shared=False)


def test_recipe_is_another_one_when_the_catalogue_says_something_else() -> None:
    style, aya = MODEL.style("neon"), CATALOGUE.characters["aya"]
    first = recipe(MODEL, style, aya)
    assert first == recipe(MODEL, style, msgspec.structs.replace(aya, label="Aya, again"))
    others = {
        recipe(msgspec.structs.replace(MODEL, steps=MODEL.steps + 1), style, aya),
        recipe(MODEL, msgspec.structs.replace(style, positive="neon, rain"), aya),
        recipe(MODEL, style, msgspec.structs.replace(aya, strength=0.5)),
        recipe(MODEL, style, None),
    }
    assert len(others | {first}) == 5
    inked = msgspec.structs.replace(style, lora="ink.safetensors")
    loras = {
        recipe(MODEL, inked, aya),
        recipe(MODEL, inked, aya, "a" * 64),
        recipe(MODEL, inked, aya, "b" * 64),
        recipe(MODEL, msgspec.structs.replace(inked, strength=0.5), aya, "a" * 64),
        recipe(MODEL, msgspec.structs.replace(inked, lora="oil.safetensors"), aya, "a" * 64),
    }
    assert len(loras | others | {first}) == 10


def test_new_weights_of_a_styles_lora_say_nothing_of_other_styles() -> None:
    plain = msgspec.structs.replace(a_job(), intent=PromptIntent("a tree"))
    inked = msgspec.structs.replace(plain, style="ink", style_strength=0.5)
    homes = [made.home for job in (plain, inked) if (made := candidate("5-0", cached(job=job)))]
    assert homes == ["eros/aya", "eros/aya/ink"]


def test_intent_is_what_the_client_wrote_with_all_its_negatives() -> None:
    asked = read("@aya reading under a tree, night, -rain", {"aya"}, "fog, wind")
    assert intent_of(asked) == PromptIntent("reading under a tree, night", ("rain", "fog", "wind"))
