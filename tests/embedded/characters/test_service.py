"""The characters of the demo, with the real merge. tests/cli/test_character.py adds and removes some."""

import asyncio
import os
from pathlib import Path

import pytest

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
