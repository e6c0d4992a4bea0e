"""Links are letter by letter those that botocore makes."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import botocore.session
import pytest
from botocore.config import Config
from botocore.credentials import Credentials, ReadOnlyCredentials

from frontend.storage.s3_links import BucketAddress, S3Links
from tests.frontend.storage.keys import FILENAME, KEY

NOTHING_MORE: dict[str, str] = {}
PARAMETERS = {
    "response-content-type": "image/avif",
    "response-content-disposition": f'inline; filename="{FILENAME}"',
    "versionId": "3/L4kqtJl+cp=XmMc ~.é",
}
NAMES = {
    "response-content-type": "ResponseContentType",
    "response-content-disposition": "ResponseContentDisposition",
    "versionId": "VersionId",
}


def client(endpoint: str, addressing: str, credentials: Credentials, region: str = "eu-central-1") -> Any:
    session = botocore.session.Session()
    return session.create_client(
        "s3",
        region_name=region,
        endpoint_url=endpoint or None,
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.token,
        config=Config(signature_version="s3v4", s3={"addressing_style": addressing}),
    )


def theirs(of: Any, bucket: str, key: str, parameters: dict[str, str], life_s: int = 900) -> str:
    params = {"Bucket": bucket, "Key": key, **{NAMES[name]: value for name, value in parameters.items()}}
    link: str = of.generate_presigned_url("get_object", Params=params, ExpiresIn=life_s)
    return link


class Wallet:
    """Credentials as the AWS libraries hand them out."""

    def __init__(self, credentials: Credentials) -> None:
        self.credentials = credentials

    async def frozen(self) -> ReadOnlyCredentials:
        return self.credentials.get_frozen_credentials()


async def ours(link: str, wallet: Wallet, bucket_link: str, parameters: dict[str, str], key: str) -> str:
    """Signed at the time of `link`."""
    query = parse_qs(urlsplit(link).query)
    at = datetime.strptime(query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    links = S3Links(BucketAddress.of(bucket_link, "any/key"), wallet.frozen, lambda: at)
    return await links.sign(key, parameters, int(query["X-Amz-Expires"][0]))


@pytest.mark.parametrize("token", ["", "Fwo/GX+IvYXdzE=="])
@pytest.mark.parametrize(
    ("endpoint", "addressing"),
    [
        ("", "auto"),
        ("", "path"),
        ("https://s3.example.org", "virtual"),
        ("https://s3.example.org:9000/base", "path"),
        ("http://127.0.0.1:9000/", "auto"),
        ("http://[::1]:9000", "path"),
    ],
)
async def test_a_link_equals_botocores(endpoint: str, addressing: str, token: str) -> None:
    credentials = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token or None)
    of = client(endpoint, addressing, credentials)
    for bucket, parameters, key in itertools.product(
        ("pictures", "pictures.of-2026"), (NOTHING_MORE, PARAMETERS), (KEY, "a b/é+&=?#%.jpg")
    ):
        link = theirs(of, bucket, key, parameters, life_s=77)
        known = theirs(of, bucket, "any/key", {})
        assert await ours(link, Wallet(credentials), known, parameters, key) == link


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1", "cn-north-1"])
async def test_the_region_is_the_one_that_botocore_signs_for(region: str) -> None:
    credentials = Credentials("AKIDEXAMPLE", "secret")
    of = client("", "auto", credentials, region)
    link = theirs(of, "pictures", KEY, {})
    assert await ours(link, Wallet(credentials), theirs(of, "pictures", "any/key", {}), {}, KEY) == link


async def test_renewed_credentials_and_a_new_day_sign_from_the_next_link_on() -> None:
    now = datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC)
    wallet = Wallet(Credentials("OLD", "old"))
    address = BucketAddress.of(theirs(client("", "auto", wallet.credentials), "b1", "k", {}), "k")
    links = S3Links(address, wallet.frozen, lambda: now)
    made = [await links.sign(KEY, {}, 60)]
    now += timedelta(seconds=1)
    made.append(await links.sign(KEY, {}, 60))
    wallet.credentials = Credentials("NEW", "new", "token")
    made.append(await links.sign(KEY, {}, 60))
    scopes = [parse_qs(urlsplit(link).query)["X-Amz-Credential"][0].split("/")[:2] for link in made]
    assert scopes == [["OLD", "20260228"], ["OLD", "20260301"], ["NEW", "20260301"]]
    fresh = S3Links(address, wallet.frozen, lambda: now)
    assert made[-1] == await fresh.sign(KEY, {}, 60)
