from pathlib import Path

from frontend.catalogue.catalogue import load
from frontend.catalogue.tiles import MAX_TILE_BYTES, Tiles, tile_path
from frontend.settings import ROOT

CATALOGUE = load(ROOT / "demo" / "catalogue")
WEBP = b"RIFF\x10\0\0\0WEBPVP8 picture"


def written(folder: Path, data: bytes, name: str = "neon") -> Path:
    path = tile_path(folder, "eros", "styles", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_first_folder_that_has_one_counts(tmp_path: Path) -> None:
    written(tmp_path / "operators", WEBP)
    written(tmp_path / "ours", WEBP + b"2")
    written(tmp_path / "ours", WEBP + b"3", "outline")
    tiles = Tiles(tmp_path / "operators", tmp_path / "ours")
    assert tiles.read(CATALOGUE, "eros", "styles", "neon") == WEBP
    assert tiles.read(CATALOGUE, "eros", "styles", "outline") == WEBP + b"3"
    assert set(tiles.all(CATALOGUE)["eros"].styles) == {"neon", "outline"}


def test_digest_changes_with_the_file(tmp_path: Path) -> None:
    tiles = Tiles(tmp_path)
    written(tmp_path, WEBP)
    before = tiles.all(CATALOGUE)["eros"].styles["neon"]
    written(tmp_path, WEBP + b"another")
    assert tiles.all(CATALOGUE)["eros"].styles["neon"] != before
    tile_path(tmp_path, "eros", "styles", "neon").unlink()
    assert tiles.all(CATALOGUE)["eros"].styles == {}


def test_what_is_no_small_webp_is_none(tmp_path: Path) -> None:
    tiles = Tiles(tmp_path)
    for data in (b"", b"<svg onload=alert(1)>", WEBP + b"\0" * MAX_TILE_BYTES):
        written(tmp_path, data)
        assert tiles.read(CATALOGUE, "eros", "styles", "neon") is None
        assert tiles.all(CATALOGUE)["eros"].styles == {}


def test_demo_catalogue_has_one_of_everything_and_all_are_small() -> None:
    folder = ROOT / "demo" / "catalogue"
    found = Tiles(folder).all(CATALOGUE)["eros"]
    assert set(found.styles) == set(CATALOGUE.models["eros"].styles)
    assert set(found.characters) == set(CATALOGUE.characters)
    assert sum(path.stat().st_size for path in (folder / "tiles").rglob("*.webp")) < 300_000
