import asyncio
import contextlib
import logging
from pathlib import Path

import pytest

from frontend.catalogue.catalogue import Lacking
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


def test_unchanged_folder_is_not_loaded_again(folder: Path) -> None:
    live = LiveCatalogue(folder)
    before = live.current
    live.refresh()
    assert live.current is before


def test_broken_file_is_left_out_at_a_reload_and_logged_once(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "characters" / "zoe.yaml").write_text(CHARACTER + "depicts: adult\n")
    live = LiveCatalogue(folder)
    (folder / "characters" / "aya.yaml").write_text("label: 3\n")
    with caplog.at_level(logging.INFO):
        live.refresh()
        (folder / "characters" / "zoe.yaml").touch()
        live.refresh()
    assert list(live.current.characters) == ["zoe"]
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert (
        len(warned) == 1 and warned[0].startswith("left out: ") and "aya.yaml: rights: expected" in warned[0]
    )
    assert live.warnings == ["left out of the catalogue (the log says why): @aya"]

    (folder / "characters" / "aya.yaml").write_text(CHARACTER + "depicts: adult\n")
    live.refresh()
    assert list(live.current.characters) == ["aya", "zoe"] and live.warnings == []


def test_catalogue_without_a_model_keeps_the_last_good_one(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    live = LiveCatalogue(folder)
    before = live.current
    (folder / "models" / "eros.yaml").write_text("a: [")
    live.refresh()
    assert live.current is before
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_what_has_no_weights_is_named_and_back_when_it_has_some(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "models" / "alto.yaml").write_text(MODEL)
    (folder / "characters" / "aya.yaml").write_text(CHARACTER + "depicts: adult\n")
    live = LiveCatalogue(folder)
    live.withhold(Lacking(frozenset({"alto"}), frozenset({("eros", "aya")})))
    live.withhold(Lacking(frozenset({"alto"}), frozenset({("eros", "aya")})))
    assert list(live.current.models) == ["eros"] and not live.current.characters
    assert list(live.declared.characters) == ["aya"]
    (line,) = live.warnings
    assert "Triton has no weights that can be used (see its log): alto, @aya of eros;" in line
    assert [record.getMessage() for record in caplog.records] == [line]
    (folder / "characters" / "zoe.yaml").write_text(CHARACTER + "depicts: adult\n")
    live.refresh()  # a new catalogue, and the same Triton
    assert list(live.current.models) == ["eros"] and list(live.current.characters) == ["zoe"]
    live.withhold(Lacking())
    assert live.current is live.declared and live.warnings == []


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
