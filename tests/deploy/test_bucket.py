import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aioboto3
import pytest
from botocore.exceptions import ClientError

from frontend.storage.local import KEEP_DAYS
from tests.frontend.storage import servers
from tests.frontend.storage.keys import ACCESS_KEY, BUCKET, KEY, SECRET_KEY

ROOT = Path(__file__).resolve().parents[2]
RULES = json.loads((ROOT / "deploy" / "s3-lifecycle.json").read_text())["Rules"]


@pytest.fixture
async def moto(tmp_path: Path) -> AsyncIterator[str]:
    async for url in servers.moto(tmp_path):
        yield url


def run(endpoint: str, bucket: str, **more: str) -> "subprocess.CompletedProcess[str]":
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "IMGEN_S3_BUCKET": bucket,
        "IMGEN_S3_ENDPOINT": endpoint,
        "IMGEN_S3_ADDRESSING": "path",
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        **more,
    }
    command: list[str] = [sys.executable, str(ROOT / "deploy" / "bucket.py")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


async def test_rules_are_set_on_the_bucket_and_a_missing_bucket_is_told(moto: str) -> None:
    assert run(moto, BUCKET).stdout == run(moto, BUCKET).stdout == f"bucket: {BUCKET} has its rules\n"
    session = aioboto3.Session(ACCESS_KEY, SECRET_KEY, region_name="us-east-1")
    async with session.client("s3", endpoint_url=moto) as client:
        answer = await client.get_bucket_lifecycle_configuration(Bucket=BUCKET)
    assert {rule["ID"] for rule in answer["Rules"]} == {rule["ID"] for rule in RULES}
    (pictures,) = (rule for rule in answer["Rules"] if "Expiration" in rule)
    assert pictures["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}
    missing = run(moto, "nowhere")
    assert missing.returncode == 1
    assert "NoSuchBucket" in missing.stderr


async def test_pages_of_the_apis_origins_may_read_pictures(moto: str) -> None:
    session = aioboto3.Session(ACCESS_KEY, SECRET_KEY, region_name="us-east-1")
    async with session.client("s3", endpoint_url=moto) as client:
        for told, origins in (
            ("https://a.example, https://b.example", {"https://a.example", "https://b.example"}),
            ("*", {"*"}),
        ):
            run(moto, BUCKET, IMGEN_CORS_ORIGINS=told).check_returncode()
            (rule,) = (await client.get_bucket_cors(Bucket=BUCKET))["CORSRules"]
            assert set(rule["AllowedOrigins"]) == origins
            assert set(rule["AllowedMethods"]) == {"GET", "HEAD"}
            assert {"ETag", "Content-Range"} <= set(rule["ExposeHeaders"])
        run(moto, BUCKET, IMGEN_CORS_ORIGINS="").check_returncode()
        with pytest.raises(ClientError, match="NoSuchCORSConfiguration"):
            await client.get_bucket_cors(Bucket=BUCKET)


def test_pictures_expire_after_as_many_days_as_in_the_local_folder() -> None:
    (rule,) = (rule for rule in RULES if "Expiration" in rule)
    assert rule["Expiration"] == {"Days": KEEP_DAYS}
    assert rule["Status"] == "Enabled"
    assert KEY.startswith(rule["Filter"]["Prefix"])


def test_older_versions_of_what_expires_end_too() -> None:
    """In a bucket that keeps versions, expiry only hides a picture behind a marker."""
    for rule in RULES:
        assert ("Expiration" in rule) == ("NoncurrentVersionExpiration" in rule)
