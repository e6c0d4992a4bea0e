"""What an operator is told where no object can be stored or read: the setting to look at, and no secret."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from frontend.common.errors import SettingError
from frontend.common.probe import NotReady
from frontend.settings import Settings
from frontend.storage.s3 import CHECK_KEY, S3Storage
from tests.frontend.storage.conftest import s3_settings
from tests.frontend.storage.fake_s3 import FakeS3
from tests.frontend.storage.keys import ACCESS_KEY, BUCKET, SECRET_KEY

ANY = ("PUT", "GET")


async def fault_of(settings: Settings) -> str:
    async with S3Storage.opened(settings) as storage:
        with pytest.raises(NotReady) as caught:
            await storage.check()
    told = str(caught.value)
    assert "\n" not in told
    assert not [secret for secret in (ACCESS_KEY, SECRET_KEY, "127.0.0.1") if secret in told]
    return told


@pytest.mark.parametrize(
    ("refuses", "told"),
    [
        (dict.fromkeys(ANY, "AccessDenied"), "IMGEN_S3_BUCKET: these credentials may not"),
        ({"PUT": "AccessDenied"}, "IMGEN_S3_BUCKET: these credentials may not"),  # only reading is allowed
        ({"GET": "AccessDenied"}, "IMGEN_S3_BUCKET: these credentials may not"),  # only writing
        (dict.fromkeys(ANY, "RequestTimeTooSkewed"), "the clock: "),
        (dict.fromkeys(ANY, "ExpiredToken"), "AWS_SESSION_TOKEN: these temporary credentials have ended"),
        (dict.fromkeys(ANY, "InvalidAccessKeyId"), "AWS_ACCESS_KEY_ID: "),
        (dict.fromkeys(ANY, "AuthorizationHeaderMalformed"), "IMGEN_S3_REGION: "),
        (dict.fromkeys(ANY, "NoSuchBucket"), "IMGEN_S3_BUCKET: there is no such bucket"),
        ({"PUT": "XMinioStorageFull"}, "the object store is full"),
        (dict.fromkeys(ANY, "SlowDown"), "the object store is out of order or too busy"),
        (dict.fromkeys(ANY, "SomethingNew"), "IMGEN_S3_ENDPOINT, IMGEN_S3_BUCKET: the object store refuses"),
        ({"PUT": ""}, "IMGEN_S3_"),  # another kind of server
    ],
)
async def test_each_refusal_names_what_to_look_at(refuses: Mapping[str, str], told: str) -> None:
    async with FakeS3(refuses).running() as store:
        assert (await fault_of(s3_settings(store.url))).startswith(told)


async def test_store_in_order_is_asked_for_one_small_object_and_tried_once() -> None:
    async with FakeS3().running() as store, S3Storage.opened(s3_settings(store.url)) as storage:
        await storage.check()
        assert store.asked == [f"PUT /{BUCKET}/{CHECK_KEY}", f"GET /{BUCKET}/{CHECK_KEY}"]
        store.refuses = {"PUT": "InternalError"}
        with pytest.raises(NotReady):
            await storage.check()
        assert len(store.asked) == 3


async def test_name_that_no_bucket_can_have_is_told() -> None:
    settings = Settings(s3_bucket="no bucket's name", s3_endpoint="http://127.0.0.1:1")
    assert (await fault_of(settings)).startswith("IMGEN_S3_BUCKET: ")


@pytest.mark.parametrize("endpoint", ["nowhere", "http://", "http://[::1"])
async def test_endpoint_that_is_no_url_is_told_by_its_setting(endpoint: str) -> None:
    with pytest.raises(SettingError, match=r"^IMGEN_S3_ENDPOINT: that is no URL of a server"):
        async with S3Storage.opened(s3_settings(endpoint)):
            pass


async def test_profile_that_does_not_exist_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "studio")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(SettingError, match=r"^AWS_PROFILE: there is no such profile"):
        async with S3Storage.opened(s3_settings("http://127.0.0.1:1")):
            pass
