"""What the parts tell each other: the reviewer may fetch what the API server links to."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from yarl import URL

from acs.fetch import AllowedPrefix
from embedded.part import PartError, SystemPart
from embedded.plain_path import socket_path
from embedded.plan import SystemPlan, plan
from frontend.common.errors import SettingError
from frontend.domain.picture import StoredFile
from frontend.net.public_url import public_url
from frontend.settings import Settings, given
from frontend.storage import Storage, open_storage

OUTSIDE = {"IMGEN_REDIS_URL": "redis://r", "IMGEN_TRITON_URLS": "t:1", "IMGEN_PORT": "8123"}
LAN = "https://pictures.example.org"
KEY = "pictures/2026/11/23/a/1/a_00001.jpg"


def opened(settings: Settings) -> AbstractAsyncContextManager[Storage]:
    return open_storage(settings, public_url(settings))


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKTESTTESTTESTTEST00")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-that-only-the-tests-know")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


async def planned(environ: Mapping[str, str], models: tuple[Path, ...] = ()) -> SystemPlan:
    values = given(environ)
    return await plan(Settings(**values), list(models), llm=False, given=values)


def part(planned: SystemPlan, name: str) -> SystemPart:
    return next(each for stage in planned.stages for each in stage if each.name == name)


def allowed(planned: SystemPlan) -> AllowedPrefix:
    command = part(planned, "acs").command
    return AllowedPrefix(URL(command[command.index("--fetch-allow") + 1]))


async def link(environ: Mapping[str, str]) -> URL:
    """As an API server with this environment makes it."""
    async with opened(Settings(**given(environ))) as storage:
        return URL((await storage.url(StoredFile(KEY, "a_00001.jpg", "0" * 64))).reveal(), encoded=True)


def s3(**more: str) -> dict[str, str]:
    return {"IMGEN_S3_BUCKET": "pictures", **{f"IMGEN_S3_{name.upper()}": more[name] for name in more}}


@pytest.mark.parametrize(
    "storage",
    [
        {},
        *({"IMGEN_HOST": host} for host in ("localhost", "::1", "0.0.0.0", "::", "192.0.2.7")),
        {"IMGEN_PUBLIC_URL": "https://api.example.org/imgen/", "IMGEN_HOST": "0.0.0.0"},
        s3(),
        s3(region="eu-central-1", addressing="virtual"),
        s3(region="eu-central-1", addressing="path"),
        s3(endpoint="http://127.0.0.1:9000", addressing="path"),
        s3(endpoint="http://s3.local:9000", addressing="virtual"),
        s3(endpoint="http://127.0.0.1:9000", public_endpoint=LAN, addressing="path"),
        s3(endpoint="http://127.0.0.1:9000", public_endpoint=LAN, addressing="virtual"),
    ],
    ids=lambda each: " ".join(each.values()),
)
async def test_reviewer_may_fetch_what_the_api_server_links_to(
    storage: Mapping[str, str], tmp_path: Path
) -> None:
    environ = {**OUTSIDE, **storage, "IMGEN_DATA_DIR": str(tmp_path)}
    plan_ = await planned(environ)
    url = await link({**environ, **part(plan_, "frontend").environment})
    assert url.host not in ("0.0.0.0", "::")
    assert allowed(plan_).covers(url)


async def test_reviewer_may_fetch_from_this_bucket_alone(tmp_path: Path) -> None:
    environ = {**OUTSIDE, "IMGEN_DATA_DIR": str(tmp_path), **s3(endpoint="http://127.0.0.1:9000")}
    allow = allowed(await planned({**environ, "IMGEN_S3_ADDRESSING": "path"}))
    assert allow.covers(URL("http://127.0.0.1:9000/pictures/a.jpg"))
    assert not allow.covers(URL("http://127.0.0.1:9000/other/a.jpg"))


@pytest.mark.parametrize(
    ("host", "expected"), [("::1", "http://[::1]:8123"), ("0.0.0.0", "http://127.0.0.1:8123")]
)
async def test_api_is_asked_where_it_listens(tmp_path: Path, host: str, expected: str) -> None:
    environ = {**OUTSIDE, "IMGEN_HOST": host, "IMGEN_PUBLIC_URL": LAN, "IMGEN_DATA_DIR": str(tmp_path)}
    assert (await planned(environ)).url == expected


async def test_storage_that_can_sign_nothing_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    with pytest.raises(PartError, match="see the settings of storage: S3 url: NoCredentialsError"):
        await planned({**OUTSIDE, "IMGEN_DATA_DIR": str(tmp_path), **s3()})


async def test_public_url_that_is_none_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="IMGEN_PUBLIC_URL"):
        await planned({**OUTSIDE, "IMGEN_DATA_DIR": str(tmp_path), "IMGEN_PUBLIC_URL": "api.example.org"})


async def test_workers_are_those_of_a_cpu_unless_somebody_set_them(tmp_path: Path) -> None:
    file = tmp_path / "imgen.toml"
    await asyncio.to_thread(file.write_text, "workers = 8\n")
    environ = {"IMGEN_REDIS_URL": "redis://r", "IMGEN_ACS_URL": "http://a", "IMGEN_DATA_DIR": str(tmp_path)}
    for more, expected in (
        ({}, "2"),
        ({"IMGEN_WORKERS": "8"}, None),
        ({"IMGEN_CONFIG": str(file)}, None),
        ({"IMGEN_TRITON_URLS": "t:1"}, None),
    ):
        told = part(await planned({**environ, **more}), "frontend").environment
        assert told.get("IMGEN_WORKERS") == expected, more


async def test_api_server_waits_for_redis_alone(tmp_path: Path) -> None:
    planned_ = await planned({"IMGEN_DATA_DIR": str(tmp_path)})
    names = [[each.name for each in stage] for stage in planned_.stages]
    assert names == [["redis"], ["triton", "acs", "frontend"]]


async def test_triton_listens_on_loopback_by_choice_alone(tmp_path: Path) -> None:
    environ = {"IMGEN_REDIS_URL": "redis://r", "IMGEN_ACS_URL": "http://a", "IMGEN_DATA_DIR": str(tmp_path)}
    settings = Settings(**given(environ))
    for port, url in ((None, f"unix:{socket_path(tmp_path, 'triton.sock')}:8001"), (8123, "127.0.0.1:8123")):
        planned_ = await plan(settings, [], llm=False, given=(), triton_port=port)
        assert part(planned_, "frontend").environment["IMGEN_TRITON_URLS"] == url
        addresses = [word for word in part(planned_, "triton").command if word.startswith("--grpc-address")]
        assert addresses == [f"--grpc-address={url.rpartition(':')[0]}"]
