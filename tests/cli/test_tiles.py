"""`imgen catalogue tiles` with a small server: what is drawn, where it is kept, what is told when not."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from frontend.settings import ROOT, catalogue_folders, load
from tests.cli.server import Answer, meta_of, serving

CATALOGUE = ROOT / "demo" / "catalogue"
STYLES = sorted(path.stem for path in (CATALOGUE / "tiles" / "eros" / "styles").iterdir())


@dataclass
class Studio:
    """Blocks the pictures of some seeds."""

    orders: list[dict[str, Any]] = field(default_factory=list)
    blocked: frozenset[int] = frozenset()

    def answer(self, body: dict[str, Any], url: str) -> Answer:
        if body["action"] == "generate":
            self.orders.append(body)
            return 200, {"id": f"run_{len(self.orders)}"}
        order = self.orders[int(body["id"].removeprefix("run_")) - 1]
        if order["seed"] in self.blocked:
            told = {"compliance": "unsafe", "error": "Content blocked", "filter_categories": ["gore"]}
            return 200, {"status": "COMPLETED", **told}
        meta = meta_of(order["prompt"], f"{url}/picture")
        meta["images"][0]["thumbnail_url"] = f"{url}/thumbnail"
        return 200, {"status": "COMPLETED", "meta": meta}


@pytest.fixture(autouse=True)
def data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    monkeypatch.setenv("IMGEN_DATA_DIR", str(folder))
    return folder


def tiles(url: str, *words: str) -> int:
    return main(["catalogue", "tiles", "--url", url, "--key", "k", *words])


def files_of(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_there_is_one_of_everything_in_the_demo(capsys: pytest.CaptureFixture[str]) -> None:
    studio = Studio()
    with serving(studio.answer) as url:
        assert tiles(url) == 0
    assert not studio.orders
    assert "there is one of every style and character" in capsys.readouterr().err


def test_drawn_anew_they_are_thumbnails_kept_beside_the_operators_catalogue(tmp_path: Path) -> None:
    studio = Studio()
    with serving(studio.answer) as url:
        assert tiles(url, "--again", "--output", str(tmp_path / "mine"), "--seed", "11") == 0
    drawn = files_of(tmp_path / "mine")
    assert [name for name in drawn if "/styles/" in name] == [f"tiles/eros/styles/{s}.webp" for s in STYLES]
    assert {order["style"] for order in studio.orders if "style" in order} == set(STYLES)
    assert all(order["seed"] == 11 and order["format"] == "webp" for order in studio.orders)
    characters = [order["prompt"] for order in studio.orders if "style" not in order]
    assert len(characters) == len(drawn) - len(STYLES) and all(each.startswith("@") for each in characters)


def test_without_a_folder_they_go_where_characters_are_added() -> None:
    with serving(Studio().answer) as url:
        assert tiles(url, "--again") == 0
    assert len(files_of(catalogue_folders(load())[-1])) >= len(STYLES)


def test_blocked_picture_is_tried_with_other_seeds(tmp_path: Path) -> None:
    studio = Studio(blocked=frozenset({7, 8}))
    with serving(studio.answer) as url:
        assert tiles(url, "--again", "--output", str(tmp_path)) == 0
    assert [order["seed"] for order in studio.orders[:3]] == [7, 8, 9]


def test_what_cannot_be_drawn_is_named_and_the_others_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Choosy(Studio):
        def answer(self, body: dict[str, Any], url: str) -> Answer:
            if body.get("style") == "neon":
                return 400, {"error": "no"}
            return super().answer(body, url)

    with serving(Choosy().answer) as url:
        assert tiles(url, "--again", "--output", str(tmp_path)) == 1
    assert "eros neon: " in capsys.readouterr().err
    assert "tiles/eros/styles/outline.webp" in files_of(tmp_path)
    assert "tiles/eros/styles/neon.webp" not in files_of(tmp_path)


def test_key_is_asked_for_before_anything_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["catalogue", "tiles", "--url", "http://127.0.0.1:9", "--again"]) != 0
    assert "needs a key: --key or IMGEN_API_KEY" in json.dumps(capsys.readouterr().err)
