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


async def started_by_merging(characters: CharacterService) -> set[int]:
    before, seen = children(), set[int]()
    merging = asyncio.create_task(characters.merge_all(lambda word: None))
    while not merging.done():
        seen |= children() - before
        await asyncio.sleep(0)
    await merging
    return seen


async def test_what_is_merged_starts_no_process_until_a_file_of_it_changes(tmp_path: Path) -> None:
    settings = two_characters(tmp_path)
    characters = CharacterService.of(settings)
    assert len(await started_by_merging(characters)) == 2
    assert not await started_by_merging(characters)
    merged = settings.data_dir / "models" / "eros-denoiser--aya"
    lora, beside = tmp_path / "loras" / "zoe.safetensors", tmp_path / "loras" / "zoe.adapter_config.json"
    for change in (
        lora.touch,
        lambda: beside.write_text("{}"),
        (merged / "1" / "model.onnx").unlink,
        (merged / CONFIG_FILE).touch,
    ):
        change()
        assert len(await started_by_merging(characters)) == 1, change
    card = tmp_path / "catalogue" / "characters" / "aya.yaml"
    card.write_text(f"{card.read_text()}\nstrength: 0.5\n")
    assert len(await started_by_merging(characters)) == 1
    assert not await started_by_merging(characters)


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


async def test_style_of_a_model_without_a_bank_is_left_out_and_everything_else_is_made(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its file says that the model has one; its networks say otherwise."""
    settings = two_characters(tmp_path)
    card = settings.catalogue_dir / "models" / "eros.yaml"
    text = card.read_text().replace("styles:", "adapters: bank\nstyles:")
    card.write_text(f"{text}  ink: {{label: Ink, lora: ../loras/aya.safetensors}}\n")
    await CharacterService.of(settings).merge_all(print)
    assert served(settings) == ["aya", "zoe"]
    (record,) = caplog.records
    said = record.getMessage()
    assert said.startswith("left out: style ink of eros: a style's LoRA is for a bank, and eros has none")
    assert said.endswith("; put a LoRA for this eros in its place, or take `lora:` out of the style")


async def test_pefts_folder_is_merged_now_and_after_a_restart(tmp_path: Path) -> None:
    """The settings beside it hold its alpha; the folder itself may be gone by then."""
    settings, folder = Settings(data_dir=tmp_path / "data"), tmp_path / "saved"
    folder.mkdir()
    name = "base_model.model.conv_in"
    zeros = {
        f"{name}.lora_A.weight": np.zeros((2, 24, 3, 3), np.float32),
        f"{name}.lora_B.weight": np.ones((96, 2, 1, 1), np.float32),
        "bundle_emb.nova.clip_l": np.ones((2, 8), np.float32),
    }
    (folder / "adapter_model.safetensors").write_bytes(safetensors(zeros))
    (folder / "adapter_config.json").write_text(json.dumps({"r": 2, "lora_alpha": 4}))
    characters = CharacterService.of(settings)
    declaration = CharacterDeclaration(
        label="Nova", models=("eros",), trigger="nova", lora="x", rights="fictional", depicts="adult"
    )
    notes = await characters.add("nova", declaration, folder, replace=False, compare=False)
    assert [note.partition(" ")[0] for note in notes] == ["left", "the"]  # its embedding; it changes nothing
    merged = tmp_path / "data" / "models" / "eros-denoiser--nova"
    before = json.loads((merged / "merge.json").read_bytes())
    shutil.rmtree(folder)
    shutil.rmtree(merged)
    await characters.merge_all(lambda word: None)
    assert json.loads((merged / "merge.json").read_bytes()) == before
    characters.remove("nova", purge=True)
    assert not list((tmp_path / "data" / "catalogue").rglob("nova*"))
