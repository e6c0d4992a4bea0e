"""The characters of the demo, with the real merge. tests/cli/test_character.py adds and removes some."""

import asyncio
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from contract.repositories import CONFIG_FILE
from embedded.characters.declaration import CharacterDeclaration
from embedded.characters.service import CharacterService
from frontend.settings import ROOT, Settings
from tests.cli.test_bad_input import safetensors
from tests.embedded.test_child import children


async def test_every_character_is_merged_once(tmp_path: Path) -> None:
    characters, said = CharacterService.of(Settings(data_dir=tmp_path)), list[str]()
    base, merged = await characters.merge_all(said.append)
    assert said == ["characters"]
    assert (base / "eros-denoiser").is_dir()
    networks = {path.name: path.stat().st_ino for path in merged.glob("eros-denoiser--*")}
    assert sorted(networks) == [f"eros-denoiser--{name}" for name in ("aya", "bella", "mira", "tomo")]
    await characters.merge_all(said.append)
    assert {path.name: path.stat().st_ino for path in merged.glob("eros-denoiser--*")} == networks


@pytest.mark.parametrize("started", [1, 3])
async def test_cancelled_merges_leave_no_task_and_no_process(tmp_path: Path, started: int) -> None:
    before = children()
    merging = asyncio.create_task(CharacterService.of(Settings(data_dir=tmp_path)).merge_all(print))
    async with asyncio.timeout(60):
        while len(children() - before) < started:
            await asyncio.sleep(0)
    merging.cancel()
    await asyncio.wait([merging])
    assert merging.cancelled()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert children() == before
    assert not [name for name in os.listdir(tmp_path / "models") if "--" in name]


def two_characters(folder: Path) -> Settings:
    """Aya's own catalogue, with a second character of the same LoRA."""
    (folder / "catalogue" / "characters").mkdir(parents=True)
    (folder / "loras").mkdir()
    shutil.copytree(ROOT / "demo" / "catalogue" / "models", folder / "catalogue" / "models")
    text = (ROOT / "demo" / "catalogue" / "characters" / "aya.yaml").read_text()
    for name in ("aya", "zoe"):
        shutil.copy(ROOT / "demo" / "loras" / "aya.safetensors", folder / "loras" / f"{name}.safetensors")
        (folder / "catalogue" / "characters" / f"{name}.yaml").write_text(text.replace("aya.", f"{name}."))
    return Settings(data_dir=folder / "data", catalogue_dir=folder / "catalogue")


def served(settings: Settings) -> list[str]:
    """Names of the characters that Triton would find."""
    found = (settings.data_dir / "models").glob(f"eros-denoiser--*/{CONFIG_FILE}")
    return sorted(path.parent.name.rpartition("--")[2] for path in found)


async def test_character_that_cannot_be_merged_is_left_out_and_back_when_it_can(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = two_characters(tmp_path)
    characters = CharacterService.of(settings)
    await characters.merge_all(print)
    assert served(settings) == ["aya", "zoe"] and not caplog.records
    weights = settings.data_dir / "models" / "eros-denoiser--zoe" / "1"
    before = weights.stat().st_ino

    lora, aside = tmp_path / "loras" / "zoe.safetensors", tmp_path / "aside"
    lora.rename(aside)
    for number, text in enumerate((b"", b"no LoRA")):
        if text:
            lora.write_bytes(text)
        repositories = await characters.merge_all(print)
        assert len(repositories) == 2 and served(settings) == ["aya"]
        told = caplog.records[number].getMessage()
        assert told.startswith("left out: @zoe of eros: ") and "\n" not in told
        assert f"put a LoRA for this eros in its place, or delete {tmp_path}" in told
    aside.rename(lora)
    await characters.merge_all(print)
    assert served(settings) == ["aya", "zoe"] and len(caplog.records) == 2
    assert weights.stat().st_ino == before  # which were kept


async def test_character_of_a_model_without_weights_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = two_characters(tmp_path)
    models = settings.catalogue_dir / "models"
    shutil.copy(models / "eros.yaml", models / "alto.yaml")
    zoe = settings.catalogue_dir / "characters" / "zoe.yaml"
    zoe.write_text(zoe.read_text().replace("[eros]", "[alto, eros]"))
    await CharacterService.of(settings).merge_all(print)
    assert served(settings) == ["aya", "zoe"]
    (record,) = caplog.records
    assert "@zoe of alto: " in record.getMessage() and "--name alto`" in record.getMessage()


async def test_settings_of_a_peft_folder_are_kept_for_the_next_merge(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """In PEFT's folders the strength stands beside the weights, and files have the same names in all."""
    settings = two_characters(tmp_path)
    characters = CharacterService.of(settings)
    declaration = CharacterDeclaration(
        label="Nova", models=("eros",), trigger="nova", lora="x", rights="fictional", depicts="adult"
    )
    for name, alpha in (("nova", 4), ("kim", 8)):
        folder = tmp_path / f"{name}-lora"
        write_peft_folder(folder, alpha)
        lora = folder if name == "kim" else folder / "adapter_model.safetensors"
        await characters.add(name, declaration, lora, replace=False, compare=False)
        shutil.rmtree(folder)
    merged = settings.data_dir / "models"
    reports = {name: (merged / f"eros-denoiser--{name}" / "merge.json") for name in ("nova", "kim")}
    before = {name: path.read_text() for name, path in reports.items()}
    for path in reports.values():
        shutil.rmtree(path.parent)  # as on the next machine, or over a base that was exported anew

    await characters.merge_all(print)
    assert served(settings) == ["aya", "kim", "nova", "zoe"] and not caplog.records
    made = {name: json.loads(path.read_text())["origin"] for name, path in reports.items()}
    assert made == {name: json.loads(text)["origin"] for name, text in before.items()}
    characters.remove("nova", purge=True)
    left = [path for path in (settings.data_dir / "catalogue").rglob("*") if path.is_file()]
    assert len(left) == 3 and all("kim" in str(path.relative_to(tmp_path)) for path in left), left


def write_peft_folder(folder: Path, alpha: int) -> None:
    layer = "base_model.model.down_blocks.0.resnets.0.conv1"
    tensors = {
        f"{layer}.lora_A.weight": np.ones((2, 96, 3, 3), np.float32),
        f"{layer}.lora_B.weight": np.full((96, 2, 1, 1), 0.01, np.float32),
    }
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(safetensors(tensors))
    settings = {"peft_type": "LORA", "r": 2, "lora_alpha": alpha, "target_modules": ["conv1"]}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
