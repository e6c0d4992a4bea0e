"""The characters of the demo, with the real merge. tests/cli/test_character.py adds and removes some."""

import asyncio
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from embedded.characters.declaration import CharacterDeclaration
from embedded.characters.service import CharacterService
from frontend.settings import Settings
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


def write_safetensors(path: Path, tensors: dict[str, np.typing.NDArray[np.float32]]) -> None:
    """Of fp32; the library is not in this environment."""
    header, data = {}, b""
    for name, value in tensors.items():
        end = len(data) + value.nbytes
        header[name] = {"dtype": "F32", "shape": value.shape, "data_offsets": [len(data), end]}
        data += value.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


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
    write_safetensors(folder / "adapter_model.safetensors", zeros)
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
