from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from yarl import URL

from frontend.common.errors import SettingError
from frontend.net.public_url import public_url
from frontend.settings import Settings
from frontend.storage import LocalStorage, Storage, open_storage
from frontend.storage.s3 import S3Storage
from tests.frontend.storage.keys import stored


def opened(settings: Settings) -> AbstractAsyncContextManager[Storage]:
    return open_storage(settings, public_url(settings))


async def test_bucket_name_decides_between_s3_and_a_folder(tmp_path: Path) -> None:
    async with opened(Settings(data_dir=tmp_path)) as storage:
        assert isinstance(storage, LocalStorage)
    async with opened(Settings(data_dir=tmp_path, s3_bucket="pictures")) as storage:
        assert isinstance(storage, S3Storage)


async def test_links_survive_a_restart(tmp_path: Path) -> None:
    async with opened(Settings(data_dir=tmp_path)) as storage:
        link = URL((await storage.url(stored(b"x"))).reveal()).query
    async with opened(Settings(data_dir=tmp_path)) as storage:
        assert isinstance(storage, LocalStorage)
        assert storage.locate(stored(b"x"), int(link["expires"]), link["signature"])


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(host="::1", port=81), "http://[::1]:81/files/a.jpg?"),
        (Settings(host="0.0.0.0", port=81), "http://127.0.0.1:81/files/a.jpg?"),
        (Settings(public_url="https://api.example.org"), "https://api.example.org/files/a.jpg?"),
        (Settings(public_url="https://example.org/imgen/"), "https://example.org/imgen/files/a.jpg?"),
    ],
)
async def test_links_begin_with_the_public_url(tmp_path: Path, settings: Settings, expected: str) -> None:
    settings = Settings(
        data_dir=tmp_path, host=settings.host, port=settings.port, public_url=settings.public_url
    )
    async with open_storage(settings, public_url(settings)) as storage:
        assert ((await storage.url(stored(b"x", "a.jpg", "a.jpg"))).reveal()).startswith(expected)


@pytest.mark.parametrize(
    "settings",
    [
        Settings(port=0),
        Settings(s3_bucket="b", s3_addressing="dns"),
        Settings(s3_bucket="b", s3_encryption="rot13"),
    ],
)
async def test_setting_that_cannot_work_stops_the_start(tmp_path: Path, settings: Settings) -> None:
    values = {**settings.__dict__, "data_dir": tmp_path}
    with pytest.raises(SettingError, match="IMGEN_"):
        async with opened(Settings(**values)):
            pass
