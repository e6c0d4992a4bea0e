import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from order import BadOrder, Order
from repositories import Repositories

ORDER = Order(
    prompt="a quiet lake",
    negative="",
    model="tiny",
    character="",
    width=64,
    height=64,
    steps=1,
    guidance=1.0,
    seed=0,
)


def test_a_model_is_found_in_any_repository(tiny_repository: Path, tmp_path: Path) -> None:
    listed = os.pathsep.join([str(tmp_path), str(tiny_repository)])
    found = Repositories.from_environment({"IMGEN_MODEL_REPOSITORIES": listed}, tmp_path)
    base = found.base("tiny")
    assert base.description.downscale == 8 and len(base.tokenizers) == 2


def test_without_a_setting_models_lie_beside_this_one(tiny_repository: Path) -> None:
    found = Repositories.from_environment({}, tiny_repository / "text_to_image")
    assert found.base("tiny").description.latent_channels == 4


def test_a_character_tells_its_hashes_where_the_export_left_some(
    tiny_repository: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_repository / "tiny-denoiser--bella", tmp_path / "tiny-denoiser--bella")
    hashes = tmp_path / "tiny-denoiser--bella" / "weights.json"
    told = []
    for text in ('{"engine": "e5"}', '["e5"]', "{", ""):
        hashes.write_text(text)
        told.append(Repositories([tmp_path]).character("tiny", "bella").weights)
    assert told == [{"engine": "e5"}, {}, {}, {}]


def test_unknown_names_are_the_orders_mistake(tiny_repository: Path) -> None:
    repositories = Repositories([tiny_repository])
    with pytest.raises(BadOrder, match="unknown model nope"):
        repositories.base("nope")
    with pytest.raises(BadOrder, match="unknown character nope of model tiny"):
        repositories.character("tiny", "nope")


def test_a_folder_that_triton_could_not_load_is_no_character(tmp_path: Path) -> None:
    folder = tmp_path / "tiny-denoiser--bella"
    folder.mkdir()
    (folder / "config.pbtxt").touch()
    with pytest.raises(BadOrder, match="unknown character bella"):
        Repositories([tmp_path]).character("tiny", "bella")


def test_a_character_brings_its_own_text_encoder_if_it_has_one(tiny_repository: Path) -> None:
    repositories = Repositories([tiny_repository])
    aya, bella = repositories.character("tiny", "aya"), repositories.character("tiny", "bella")
    assert repositories.networks(replace(ORDER, character="aya"), aya) == (
        "tiny-text-encoder--aya",
        "tiny-denoiser--aya",
        "tiny-decoder",
    )
    assert repositories.networks(replace(ORDER, character="bella"), bella) == (
        "tiny-text-encoder",
        "tiny-denoiser--bella",
        "tiny-decoder",
    )
    assert repositories.networks(ORDER, None) == ("tiny-text-encoder", "tiny-denoiser", "tiny-decoder")


def test_a_characters_size_is_that_of_its_files(tiny_repository: Path) -> None:
    unit = Repositories([tiny_repository]).character("tiny", "bella")
    files = [path for path in (tiny_repository / "tiny-denoiser--bella").rglob("*") if path.is_file()]
    assert unit.size == sum(path.stat().st_size for path in files)


def test_a_character_made_anew_is_another_unit(tiny_repository: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tiny-denoiser--bella"
    shutil.copytree(tiny_repository / "tiny-denoiser--bella", folder)
    repositories = Repositories([tmp_path])
    before = repositories.character("tiny", "bella")
    assert repositories.character("tiny", "bella") == before
    os.utime(folder / "1" / "model.onnx", (2_000_000_000, 2_000_000_000))
    assert repositories.character("tiny", "bella") != before


def test_a_changed_description_is_read_again(tiny_repository: Path, tmp_path: Path) -> None:
    for name in ("tiny-denoiser", "tiny-text-encoder"):
        shutil.copytree(tiny_repository / name, tmp_path / name)
    repositories = Repositories([tmp_path])
    before = repositories.base("tiny")
    assert repositories.base("tiny") is before
    os.utime(tmp_path / "tiny-denoiser" / "pipeline.json", (2_000_000_000, 2_000_000_000))
    assert repositories.base("tiny") is not before
