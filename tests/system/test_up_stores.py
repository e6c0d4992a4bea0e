"""`imgen up` and `imgen serve` beside a store that takes nothing: one line, which names the setting."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from embedded.part import free_port, running
from embedded.redis import redis_part
from frontend.common.redis_connection import connect
from tests.frontend.storage.keys import ACCESS_KEY, BUCKET, SECRET_KEY
from tests.frontend.storage.servers import rclone_part
from tests.small_disk import small_disk
from tests.system.running import imgen

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    "AWS_EC2_METADATA_DISABLED": "true",
    "IMGEN_S3_BUCKET": BUCKET,
    "IMGEN_S3_ADDRESSING": "path",
}


async def refusal(folder: Path, environment: Mapping[str, str], *command: str) -> str:
    """What is said where nothing starts."""
    own = {"IMGEN_DATA_DIR": str(folder), "IMGEN_PORT": "0", **environment}
    done = await asyncio.to_thread(imgen, own, *command)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert done.stderr.startswith("imgen: ") and done.stderr.count("\n") == 1, done.stderr
    assert not [secret for secret in (ACCESS_KEY, SECRET_KEY, "a-password") if secret in done.stderr]
    assert not (folder / "up.json").exists()
    return done.stderr.removeprefix("imgen: ").strip()


async def test_wrong_settings_of_the_object_store_are_named(tmp_path: Path) -> None:
    store = rclone_part(tmp_path / "s3", free_port())
    endpoint = store.url.replace("s3.test", "127.0.0.1")
    right = {**CREDENTIALS, "IMGEN_S3_ENDPOINT": endpoint}
    async with running(store, tmp_path):
        for changed, value, named in (
            ("IMGEN_S3_BUCKET", "another", "IMGEN_S3_BUCKET: there is no such bucket"),
            ("AWS_SECRET_ACCESS_KEY", "another", "AWS_SECRET_ACCESS_KEY: "),
            ("AWS_ACCESS_KEY_ID", "another", "AWS_ACCESS_KEY_ID: "),
            ("IMGEN_S3_ENDPOINT", f"http://127.0.0.1:{free_port()}", "IMGEN_S3_ENDPOINT: nothing answers"),
        ):
            told = await refusal(tmp_path / "data", {**right, changed: value}, "up", "--detach")
            assert told.startswith(named), changed


@pytest.mark.parametrize("options", [(), ("--detach",)])
async def test_full_disk_is_told_by_its_setting(tmp_path: Path, options: tuple[str, ...]) -> None:
    with small_disk(tmp_path / "disk", mib=8) as disk:
        (disk.folder / "logs").mkdir()
        disk.fill()
        told = await refusal(disk.folder, {}, "up", *options)
    assert told.startswith("IMGEN_DATA_DIR: ") and told.endswith(": No space left on device")


async def test_read_only_data_folder_is_told_by_its_setting(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", mib=8) as disk:
        disk.remount("ro")
        told = await refusal(disk.folder, {}, "up", "--detach")
    assert "Read-only file system" in told and "IMGEN_DATA_DIR" in told


async def test_redis_that_takes_no_writes_is_told_by_its_setting(tmp_path: Path) -> None:
    part = redis_part(tmp_path / "redis")
    others = {
        "IMGEN_TRITON_URLS": "127.0.0.1:1",
        "IMGEN_ACS_URL": "http://127.0.0.1:1",
    }
    async with running(part, tmp_path):
        redis = connect(part.url)
        await redis.replicaof("127.0.0.1", free_port())
        told = await refusal(tmp_path / "data", {"IMGEN_REDIS_URL": part.url}, "up", "--detach")
        assert told.startswith("IMGEN_REDIS_URL: that Redis is a read-only replica")
        await redis.replicaof("NO", "ONE")
        await redis.config_set("requirepass", "the-password")
        await redis.aclose()
        for command in (("up", "--detach"), ("serve",), ("keys", "list")):
            given = {**others, "IMGEN_REDIS_URL": part.url, "IMGEN_PORT": str(free_port())}
            told = await refusal(tmp_path / "data", given, *command)
            assert told.startswith("IMGEN_REDIS_URL: wrong user or password, or none"), command
    gone = {**others, "IMGEN_REDIS_URL": f"redis://:a-password@127.0.0.1:{free_port()}"}
    for command in (("up", "--detach"), ("serve",)):
        told = await refusal(tmp_path / "data", {**gone, "IMGEN_PORT": str(free_port())}, *command)
        assert told == "IMGEN_REDIS_URL: Redis does not answer (ConnectionError)", command
