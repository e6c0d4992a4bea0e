import pytest

from contract.families import FAMILIES, SD15, SDXL, Family, Sizes, family_named, family_titles
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
    assert family_titles() == "SDXL or SD 1.5"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_parts_stand_in_the_order_of_a_picture(family: Family) -> None:
    assert tuple(family.parts(SIZES)) == family.part_names
    assert [part for part in PARTS if part in family.part_names] == list(family.part_names)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_what_the_encoder_gives_the_denoiser_takes(family: Family) -> None:
    for part in family.text_parts:
        assert tuple(outputs(family, part)) == family.encoded(part)
        for name in family.encoded(part):
            wanted = {f"{text}{name}" for text in family.texts(family.guiding)}
            assert wanted <= set(inputs(family, "denoiser"))


def test_sdxl_gives_pooled_text_and_the_pictures_size() -> None:
    assert inputs(SDXL, "text-encoder") == ["tokens", "tokens_2"]
    assert inputs(SDXL, "denoiser")[-3:] == ["pooled", "negative_pooled", "time_ids"]


def test_sd15_gives_embeddings_only() -> None:
    assert inputs(SD15, "text-encoder") == ["tokens"]
    assert inputs(SD15, "denoiser")[-2:] == ["embeddings", "negative_embeddings"]
    assert outputs(SD15, "text-encoder") == ["embeddings"]
