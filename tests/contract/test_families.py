from dataclasses import replace
from typing import Any

import pytest

from contract.families import FAMILIES, SD3, SD3_CLIP, SD15, SDXL, Family, Sizes, family_named, family_titles
from contract.names import PARTS

SIZES = Sizes(width=96, pooled=32, window=77, channels=4)


def inputs(family: Family, part: str) -> list[str]:
    return [tensor.name for tensor in family.parts(SIZES)[part].inputs]


def outputs(family: Family, part: str) -> list[str]:
    return [tensor.name for tensor in family.parts(SIZES)[part].outputs]


def test_every_family_can_be_found_by_its_name() -> None:
    assert all(family_named(family.name) is family for family in FAMILIES)
    with pytest.raises(ValueError, match="family is 'sd9', expected sdxl, sd15"):
        family_named("sd9")
    assert family_titles() == "SDXL, SD 1.5, SD 3.5, FLUX.1 dev, FLUX.1 schnell, Z-Image or Z-Image-Turbo"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_parts_stand_in_the_order_of_a_picture(family: Family) -> None:
    assert tuple(family.parts(SIZES)) == family.part_names
    assert [part for part in PARTS if part in family.part_names] == list(family.part_names)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_what_the_encoder_gives_the_denoiser_takes(family: Family) -> None:
    for part in family.text_parts:
        assert tuple(outputs(family, part)) == family.encoded(part)
        for name in family.encoded(part):
            wanted = {f"{text}{name}" for text in family.texts}
            assert wanted <= set(inputs(family, "denoiser"))


def test_sdxl_gives_pooled_text_and_the_pictures_size() -> None:
    assert inputs(SDXL, "text-encoder") == ["tokens", "tokens_2"]
    assert inputs(SDXL, "denoiser")[-3:] == ["pooled", "negative_pooled", "time_ids"]


def test_sd15_gives_embeddings_only() -> None:
    assert inputs(SD15, "text-encoder") == ["tokens"]
    assert inputs(SD15, "denoiser")[-2:] == ["embeddings", "negative_embeddings"]
    assert outputs(SD15, "text-encoder") == ["embeddings"]


def test_denoiser_that_runs_on_the_prompt_alone_has_no_negative_tensors() -> None:
    cases: tuple[tuple[Any, bool], ...] = (("number", True), ("none", False))
    for guiding, guidance in cases:
        row = replace(SD3, guiding=guiding)
        given = inputs(row, "denoiser")
        assert not any(name.startswith("negative_") for name in given)
        assert ("guidance" in given) is guidance


def test_text_parts_have_windows_of_their_own() -> None:
    parts = SD3.parts(replace(SIZES, width=128, widths={"text-encoder": 96, "text-encoder-t5": 128}))
    assert [tensor.dims for tensor in parts["text-encoder-t5"].inputs] == [(256,)]
    assert [tensor.dims for tensor in parts["text-encoder-t5"].outputs] == [(256, 128)]
    assert [tensor.dims for tensor in parts["text-encoder"].outputs] == [(77, 96), (32,)]
    assert parts["denoiser"].tokens == (333, 1332, 1) and parts["denoiser"].patch == 2
    assert SDXL.parts(SIZES)["denoiser"].tokens == (77, 308, 77)
    assert SD3_CLIP.parts(SIZES)["denoiser"].tokens == (333, 564, 1)


def test_masked_encoder_and_denoiser_are_told_what_is_padding() -> None:
    one = replace(SD15.text_encoders[0], masked=True, window=512, windows=1, template=("a", "b"))
    row = replace(SD15, text_encoders=(one,))
    assert inputs(row, "text-encoder") == ["tokens", "mask"]
    assert inputs(row, "denoiser")[-2:] == ["mask", "negative_mask"]
    assert row.parts(SIZES)["denoiser"].tokens == (128, 512, 128)


def test_encoder_of_pooled_text_alone_makes_no_embeddings() -> None:
    first = replace(SD3.text_encoders[0], layer="none")
    row = replace(SD3, text_encoders=(first, SD3.text_encoders[2]))
    assert outputs(row, "text-encoder") == ["pooled"] and outputs(row, "text-encoder-t5") == ["embeddings"]
    assert row.parts(SIZES)["denoiser"].tokens == (256, 1024, 256)
