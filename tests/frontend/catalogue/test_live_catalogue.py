import asyncio
import contextlib
import logging
from pathlib import Path

import pytest

from frontend.catalogue.live_catalogue import LiveCatalogue
from frontend.common.errors import CatalogueError
from tests.frontend.catalogue.test_catalogue import CHARACTER, MODEL


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    (tmp_path / "characters").mkdir()
    (tmp_path / "models" / "eros.yaml").write_text(MODEL)
    return tmp_path


def test_new_character_is_there_after_a_refresh(folder: Path) -> None:
    live = LiveCatalogue(folder)
    before = live.current
    (folder / "characters" / "aya.yaml").write_text(CHARACTER)
    live.refresh()
    assert list(live.current.characters) == ["aya"]
    assert before.characters == {}  # whoever holds the old one keeps a whole one


def test_characters_of_a_second_folder_come_and_go_too(folder: Path, tmp_path: Path) -> None:
    added = tmp_path / "added"
    live = LiveCatalogue(folder, added)
    (added / "characters").mkdir(parents=True)
    (added / "characters" / "nova.yaml").write_text(CHARACTER)
    live.refresh()
    assert list(live.current.characters) == ["nova"]
    assert live.current.lora("nova").is_relative_to(added)
    (added / "characters" / "nova.yaml").unlink()
    live.refresh()
    assert live.current.characters == {}


def test_name_in_both_folders_is_refused_in_one_line(folder: Path, tmp_path: Path) -> None:
    added = tmp_path / "added"
    (added / "characters").mkdir(parents=True)
    for home in (folder, added):
        (home / "characters" / "aya.yaml").write_text(CHARACTER)
    with pytest.raises(CatalogueError) as refused:
        LiveCatalogue(folder, added)
    assert str(refused.value).startswith(str(added / "characters" / "aya.yaml"))
    assert str(folder) in str(refused.value) and "\n" not in str(refused.value)


def test_unchanged_folder_is_not_loaded_again(folder: Path) -> None:
    live = LiveCatalogue(folder)
    before = live.current
    live.refresh()
    assert live.current is before


def test_broken_file_keeps_the_last_good_catalogue_and_is_logged_once(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    live = LiveCatalogue(folder)
    before = live.current
    (folder / "characters" / "aya.yaml").write_text("label: 3\n")
    with caplog.at_level(logging.INFO):
        live.refresh()
        live.refresh()
    assert live.current is before
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "aya.yaml" in caplog.text

    (folder / "characters" / "aya.yaml").write_text(CHARACTER)
    live.refresh()
    assert list(live.current.characters) == ["aya"]


def test_removed_character_is_gone(folder: Path) -> None:
    path = folder / "characters" / "aya.yaml"
    path.write_text(CHARACTER)
    live = LiveCatalogue(folder)
    path.unlink()
    live.refresh()
    assert live.current.characters == {}


def test_folder_that_is_broken_from_the_start_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError):
        LiveCatalogue(tmp_path)


async def test_watching_picks_up_a_change(folder: Path) -> None:
    live = LiveCatalogue(folder, poll_s=0.01)
    task = asyncio.create_task(live.watch())
    (folder / "characters" / "aya.yaml").write_text(CHARACTER)
    async with asyncio.timeout(10):
        while not live.current.characters:
            await asyncio.sleep(0.01)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
