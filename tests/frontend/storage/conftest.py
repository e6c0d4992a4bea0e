"""One stand per kind of storage: the storage itself, and a client that follows its links."""

import functools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler
from yarl import URL

from embedded.part import free_port
from frontend.common.errors import ApiError
from frontend.net.public_url import public_url
from frontend.settings import Settings
from frontend.storage import LocalStorage, Storage
from frontend.storage.files import serve_file
from frontend.storage.open_storage import open_storage
from frontend.storage.s3 import S3Storage
from tests.frontend.storage import servers
from tests.frontend.storage.keys import ACCESS_KEY, BUCKET, FILENAME, KEY, SECRET_KEY, stored

CHECKING_PLACES = ("folder", "rclone_by_path path", "rclone_by_host virtual")  # moto checks no signature


@dataclass(frozen=True)
class Stand:
    storage: Storage
    http: aiohttp.ClientSession

    async def link(
        self,
        data: bytes,
        key: str = KEY,
        filename: str = FILENAME,
        version: str = "",
        *,
        download: bool = False,
    ) -> str:
        """Where these bytes are found, once they are put there."""
        return (await self.storage.url(stored(data, key, filename, version), download=download)).reveal()

    async def get(self, url: str, **headers: str) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers (names in lower case) of a GET of exactly this URL."""
        async with self.http.get(URL(url, encoded=True), headers=headers) as answer:
            return answer.status, await answer.read(), {k.lower(): v for k, v in answer.headers.items()}


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def rclone_by_path(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async for url in servers.rclone(tmp_path_factory.mktemp("rclone"), path_style=True):
        yield url


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def rclone_by_host(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async for url in servers.rclone(tmp_path_factory.mktemp("rclone"), path_style=False):
        yield url


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def moto(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    async for url in servers.moto(tmp_path_factory.mktemp("moto")):
        yield url


@pytest.fixture
def url_life_s() -> int:
    return 60


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(resolver=servers.Loopback())
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


def s3_settings(endpoint: str, addressing: str = "path", **more: object) -> Settings:
    return Settings(s3_bucket=BUCKET, s3_endpoint=endpoint, s3_addressing=addressing, **more)  # type: ignore[arg-type]


@pytest.fixture(params=[*CHECKING_PLACES, "moto path"])
def s3_place(request: pytest.FixtureRequest) -> tuple[str, str] | None:
    """Endpoint and addressing; None for the local folder."""
    if request.param == "folder":
        return None
    fixture, addressing = request.param.split()
    return request.getfixturevalue(fixture), addressing


@pytest.fixture
async def stand(
    s3_place: tuple[str, str] | None, tmp_path: Path, url_life_s: int, http: aiohttp.ClientSession
) -> AsyncIterator[Stand]:
    if s3_place is None:
        async for storage in folder_behind_a_server(tmp_path, url_life_s):
            yield Stand(storage, http)
        return
    settings = s3_settings(*s3_place, url_life_s=url_life_s)
    async with S3Storage.opened(settings, resolver=servers.Loopback()) as s3:
        yield Stand(s3, http)


async def folder_behind_a_server(data_dir: Path, url_life_s: int) -> AsyncIterator[LocalStorage]:
    port = free_port()
    settings = Settings(data_dir=data_dir, public_url=f"http://api.test:{port}/imgen/", url_life_s=url_life_s)
    async with open_storage(settings, public_url(settings)) as storage:
        assert isinstance(storage, LocalStorage)
        app = web.Application(middlewares=[errors])
        app.router.add_get("/imgen/files/{key:.*}", functools.partial(serve_file, storage))
        async with TestServer(app, port=port):
            yield storage


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ApiError as error:
        return web.json_response({"error": error.message}, status=error.status)


def each_change(url: str) -> Iterator[str]:
    """The URL, changed in one place after the other."""
    parts = URL(url, encoded=True)
    for name, value in parts.query.items():
        changed = value[:-1] + ("0" if value[-1] != "0" else "1")
        yield str(parts.update_query({name: changed}))
