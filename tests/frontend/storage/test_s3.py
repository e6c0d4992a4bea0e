import asyncio
import logging
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
from yarl import URL

from embedded.part import free_port
from frontend.common.probe import NotReady
from frontend.settings import Settings
from frontend.storage import StorageError
from frontend.storage.s3 import S3Storage
from tests.frontend.storage.conftest import Stand, s3_settings
from tests.frontend.storage.keys import BUCKET, JPEG, KEY, SECRET_KEY, stored
from tests.frontend.storage.servers import Loopback
from tests.frontend.storage.test_storage import MISSING


@pytest.fixture
async def silent_server() -> AsyncIterator[str]:
    """Accepts connections and never answers."""
    done = asyncio.Event()

    async def wait(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    server = await asyncio.start_server(wait, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    done.set()
    server.close()
    await server.wait_closed()


async def each_call_fails(storage: S3Storage) -> None:
    """All at once: each may try again for seconds."""
    calls = storage.put(KEY, b"x", JPEG), storage.delete([KEY]), storage.exists(KEY), storage.check()
    *failed, check = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(error) for error in failed] == [StorageError] * 3
    assert isinstance(check, NotReady)
    assert str(check).startswith("IMGEN_S3_ENDPOINT: nothing answers there (")


async def test_closed_port_is_an_error_within_seconds() -> None:
    started = time.monotonic()
    async with S3Storage.opened(s3_settings(f"http://127.0.0.1:{free_port()}")) as storage:
        await each_call_fails(storage)
    assert time.monotonic() - started < 40


async def test_silent_server_is_an_error_within_the_time_limit(silent_server: str) -> None:
    started = time.monotonic()
    async with S3Storage.opened(s3_settings(silent_server), timeout_s=0.3) as storage:
        await each_call_fails(storage)
    assert time.monotonic() - started < 15


async def test_wrong_secret_is_an_error_that_does_not_show_it(
    rclone_by_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another-secret")
    async with S3Storage.opened(s3_settings(rclone_by_path), resolver=Loopback()) as storage:
        with pytest.raises(StorageError, match="SignatureDoesNotMatch") as caught:
            await storage.put(KEY, b"x", JPEG)
        with pytest.raises(NotReady, match=r"^AWS_SECRET_ACCESS_KEY: .* \(SignatureDoesNotMatch\)$") as told:
            await storage.check()
    assert "another-secret" not in str(caught.value) + str(told.value)


async def test_absent_credentials_are_a_storage_error(
    rclone_by_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    async with S3Storage.opened(s3_settings(rclone_by_path), resolver=Loopback()) as storage:
        with pytest.raises(StorageError, match="NoCredentialsError"):
            await storage.put(KEY, b"x", JPEG)
        with pytest.raises(StorageError, match="NoCredentialsError"):
            (await storage.url(stored(b"x"))).reveal()
        with pytest.raises(NotReady, match=r"^AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY: there are none"):
            await storage.check()


async def test_missing_bucket_is_an_error_and_not_ready(moto: str) -> None:
    settings = Settings(s3_bucket="nowhere", s3_endpoint=moto, s3_addressing="path")
    async with S3Storage.opened(settings, resolver=Loopback()) as storage:
        with pytest.raises(StorageError, match="NoSuchBucket"):
            await storage.put(KEY, b"x", JPEG)
        with pytest.raises(NotReady, match=r"^IMGEN_S3_BUCKET: there is no such bucket \(NoSuchBucket\)$"):
            await storage.check()


async def test_link_names_the_public_endpoint_and_holds_there(
    rclone_by_path: str, http: aiohttp.ClientSession
) -> None:
    public = str(URL(rclone_by_path).with_host("pictures.example.org"))
    settings = s3_settings(rclone_by_path, s3_public_endpoint=public)
    async with S3Storage.opened(settings, resolver=Loopback()) as storage:
        await storage.put(KEY, b"x", JPEG)
        url = (await storage.url(stored(b"x"))).reveal()
        assert url.startswith(f"{public.rstrip('/')}/{BUCKET}/{KEY}?")
        assert (await Stand(storage, http).get(url))[:2] == (200, b"x")


async def test_bucket_stands_in_the_host_or_in_the_path_as_set() -> None:
    for addressing, start in (
        ("path", f"https://s3.example.org/{BUCKET}/"),
        ("virtual", f"https://{BUCKET}.s3.example.org/"),
    ):
        async with S3Storage.opened(s3_settings("https://s3.example.org", addressing)) as storage:
            assert ((await storage.url(stored(b"x"))).reveal()).startswith(start + KEY)


async def test_link_is_signed_with_version_4_for_its_life_and_shows_no_secret() -> None:
    async with S3Storage.opened(s3_settings("", url_life_s=77)) as storage:
        url = URL((await storage.url(stored(b"x"))).reveal())
    assert url.query["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
    assert url.query["X-Amz-Expires"] == "77"
    assert SECRET_KEY not in str(url)


async def test_nothing_of_a_signature_is_logged_at_any_level(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-session-token")
    with caplog.at_level(logging.DEBUG):
        async with S3Storage.opened(s3_settings("")) as storage:
            url = URL((await storage.url(stored(b"x"))).reveal())
    assert url.query["X-Amz-Security-Token"] == "a-session-token"
    for secret in ("a-session-token", url.query["X-Amz-Signature"]):
        assert secret not in caplog.text


@pytest.mark.parametrize("encryption", ["AES256", "aws:kms"])
async def test_encryption_is_asked_for(moto: str, http: aiohttp.ClientSession, encryption: str) -> None:
    async with S3Storage.opened(s3_settings(moto, s3_encryption=encryption), resolver=Loopback()) as storage:
        await storage.put(KEY, b"x", JPEG)
        stand = Stand(storage, http)
        _, _, headers = await stand.get((await storage.url(stored(b"x"))).reveal())
    assert headers["x-amz-server-side-encryption"] == encryption


@pytest.fixture
async def versions(moto: str) -> AsyncIterator[Stand]:
    """A bucket that keeps versions."""
    bucket = "kept-versions"
    async with aiohttp.ClientSession() as http:
        for query, body in (
            ("", b""),
            (
                "?versioning",
                b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
            ),
        ):
            async with http.put(f"{moto}/{bucket}{query}", data=body) as answer:
                assert answer.status == 200
        settings = Settings(s3_bucket=bucket, s3_endpoint=moto, s3_addressing="path")
        async with S3Storage.opened(settings, resolver=Loopback()) as storage:
            yield Stand(storage, http)


async def test_link_leads_to_the_version_that_was_reviewed_whatever_is_put_there_later(
    versions: Stand,
) -> None:
    version = await versions.storage.put(KEY, b"reviewed", JPEG)
    link = await versions.link(b"reviewed", version=version)
    await versions.storage.put(KEY, b"never seen by anybody", JPEG)
    assert (await versions.get(link))[:2] == (200, b"reviewed")


async def test_deleted_object_leaves_no_version_behind(versions: Stand) -> None:
    stored_as = [await versions.storage.put(KEY, body, JPEG) for body in (b"one", b"two")]
    longer = KEY.replace(".jpg", ".jpg_more.jpg")
    other = await versions.storage.put(longer, b"another", JPEG)
    links = [await versions.link(b"", version=version) for version in stored_as]
    assert [(await versions.get(link))[1] for link in links] == [b"one", b"two"]
    await versions.storage.delete([KEY])
    await versions.storage.delete([KEY])
    for link in links:
        assert (await versions.get(link))[0] in MISSING
    assert (await versions.get(await versions.link(b"another", longer, version=other)))[0] == 200


async def test_bucket_without_versions_pins_none(moto: str) -> None:
    async with S3Storage.opened(s3_settings(moto), resolver=Loopback()) as storage:
        assert await storage.put(KEY, b"x", JPEG) == ""
