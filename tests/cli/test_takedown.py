"""`imgen takedown` and `imgen cache clear` on a real Redis and a real folder of pictures."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis import Redis

from cli.main import main
from contract.redis_keys import PICTURES
from tests.frontend.registry.pictures import a_registered

GEN_ID = "a1b2c3d4e5f6g7h8i9j0"


@pytest.fixture
def files(redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.setenv("IMGEN_REDIS_URL", redis_url)
    monkeypatch.setenv("IMGEN_DATA_DIR", str(tmp_path))
    Redis.from_url(redis_url).flushall()
    picture = a_registered(gen_id=GEN_ID, file="pictures/p.jpg", thumbnail="pictures/p_thumb.jpg")
    Redis.from_url(redis_url).xadd(PICTURES, {"picture": msgspec.json.encode(picture)})
    paths = [tmp_path / "files" / name for name in picture.files]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return paths


def test_picture_is_deleted_and_asking_again_says_so(
    files: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["takedown", GEN_ID]) == 0
    assert capsys.readouterr().out == f"{GEN_ID}: taken down; 0 jobs showed it; 2 files deleted\n"
    assert not any(path.exists() for path in files)
    assert main(["takedown", GEN_ID]) == 0
    assert "had been taken down before" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "words"), [("b" * 20, "no picture"), ("../../x", "a gen_id is")])
def test_mistake_is_one_line_and_deletes_nothing(
    files: list[Path], capsys: pytest.CaptureFixture[str], name: str, words: str
) -> None:
    assert main(["takedown", name]) == 2
    printed = capsys.readouterr()
    assert words in printed.err
    assert printed.err.count("\n") == 1
    assert all(path.exists() for path in files)


def test_redis_that_is_away_is_told_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMGEN_REDIS_URL", "redis://127.0.0.1:1")
    assert main(["takedown", GEN_ID]) == 2
    assert main(["cache", "clear"]) == 2
    assert capsys.readouterr().err.count("Redis does not answer") == 2


def test_clearing_is_told_to_every_server(
    files: list[Path], redis_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cache", "clear"]) == 0
    assert "the cache is empty" in capsys.readouterr().out
    log: Any = Redis.from_url(redis_url).xrange("imgen:cache")
    ((_, fields),) = log
    assert set(fields) == {b"clear"}
