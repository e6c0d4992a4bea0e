"""Pictures in a bucket of any S3-compatible server. Objects are private; clients get presigned URLs."""

import asyncio
import base64
import contextlib
import hashlib
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import aioboto3
from aiobotocore.config import AioConfig
from aiohttp import ClientError as HttpError
from aiohttp.abc import AbstractResolver
from botocore.exceptions import BotoCoreError, ClientError

from frontend.common.errors import SettingError
from frontend.common.probe import NotReady
from frontend.domain.picture import StoredFile
from frontend.storage.protocol import (
    CACHE_CONTROL,
    MAX_OBJECT_BYTES,
    ObjectRefused,
    StorageError,
    check_key,
    check_object,
    disposition,
    media_type_of,
)
from frontend.storage.s3_fault import s3_fault
from frontend.storage.s3_links import BucketAddress, S3Links
from frontend.storage.settings import StorageSettings
from frontend.storage.signed_url import SignedUrl

CONNECT_TIMEOUT_S = 4
READ_TIMEOUT_S = 20
ATTEMPTS = 3
TOTAL_TIMEOUT_S = 45.0
CHECK_TIMEOUT_S = 2.5  # less than readiness waits, so that the error is told
CHECK_KEY = "pictures/ready.png"  # below what a key's policy and the bucket's lifecycle rule are for
CONNECTIONS = 32
# Its own lines hold session tokens, and signatures of links to pictures that nobody has reviewed yet.
logging.getLogger("botocore").setLevel(logging.INFO)
UNPINNED = "null"  # S3's word for the version of an object that the next one of its key replaces


class S3Storage:
    """`client` talks to the server; `prober` too, and never tries twice; `signer` knows it by the name that
    clients do. All are of `session`."""

    def __init__(
        self,
        session: Any,
        client: Any,
        prober: Any,
        signer: Any,
        settings: StorageSettings,
        timeout_s: float,
    ) -> None:
        self._client = client
        self._prober = prober
        self._signer = signer
        self._session = session
        self._links: S3Links | None = None
        self._bucket = settings.s3_bucket
        self._life_s = settings.url_life_s
        self._timeout_s = timeout_s
        self._encryption = {"ServerSideEncryption": settings.s3_encryption} if settings.s3_encryption else {}

    @classmethod
    @contextlib.asynccontextmanager
    async def opened(
        cls,
        settings: StorageSettings,
        *,
        timeout_s: float = TOTAL_TIMEOUT_S,
        resolver: AbstractResolver | None = None,
    ) -> AsyncIterator["S3Storage"]:
        """With credentials from where the AWS tools look for them: environment, profile, instance role.
        Raises SettingError.

        `timeout_s` bounds each call with all its retries; `resolver` finds the server's address (None: DNS).
        """
        config, once = _config(settings, resolver, ATTEMPTS), _config(settings, resolver, 1)
        public = settings.s3_public_endpoint or settings.s3_endpoint
        async with contextlib.AsyncExitStack() as stack:
            try:
                session = aioboto3.Session()
                client, prober, signer = [
                    await stack.enter_async_context(_client(session, settings, endpoint, how))
                    for endpoint, how in (
                        (settings.s3_endpoint, config),
                        (settings.s3_endpoint, once),
                        (public, config),
                    )
                ]
            except (BotoCoreError, ValueError) as error:
                raise SettingError(s3_fault(error)) from error
            yield cls(session, client, prober, signer, settings, timeout_s)

    async def put(self, key: str, data: bytes, media_type: str) -> str:
        check_object(key, data, media_type)
        # The one checksum that every S3 server verifies: a body damaged on its way is refused.
        digest = hashlib.md5(data, usedforsecurity=False).digest()
        with _one_error("put"):
            async with asyncio.timeout(self._timeout_s):
                answer = await self._client.put_object(
                    Bucket=self._bucket,
                    Key=key,
                    Body=data,
                    ContentType=media_type,
                    ContentMD5=base64.b64encode(digest).decode(),
                    **self._encryption,
                )
        version: str = answer.get("VersionId", "")
        return "" if version == UNPINNED else version

    async def url(self, file: StoredFile, origin: str = "", *, download: bool = False) -> SignedUrl:
        parameters = {
            "response-cache-control": CACHE_CONTROL,
            "response-content-type": media_type_of(file.filename),
            "response-content-disposition": disposition(file.filename, download),
            **({"versionId": file.version} if file.version else {}),
        }
        key = check_key(file.key)
        with _one_error("url"):
            async with asyncio.timeout(self._timeout_s):  # temporary credentials may have to be renewed
                self._links = self._links or await self._open_links(key)
                return SignedUrl(await self._links.sign(key, parameters, self._life_s))

    async def read(self, file: StoredFile) -> bytes:
        named = {"VersionId": file.version} if file.version else {}
        with _one_error("read"):
            async with asyncio.timeout(self._timeout_s):
                answer = await self._client.get_object(Bucket=self._bucket, Key=check_key(file.key), **named)
                if answer["ContentLength"] > MAX_OBJECT_BYTES:
                    raise ObjectRefused(f"S3 read: more than {MAX_OBJECT_BYTES} bytes")
                async with answer["Body"] as body:
                    return bytes(await body.read())

    async def _open_links(self, key: str) -> S3Links:
        """With the bucket's address as botocore makes it, for any key."""
        link: str = await self._signer.generate_presigned_url(
            "get_object", Params={"Bucket": self._bucket, "Key": key}
        )
        credentials = await self._session.get_credentials()
        return S3Links(BucketAddress.of(link, key), credentials.get_frozen_credentials)

    async def delete(self, keys: Sequence[str]) -> None:
        # One request each: bulk deletion needs a checksum on whose kind the servers do not agree.
        for key in map(check_key, keys):
            with _one_error("delete"):
                async with asyncio.timeout(self._timeout_s):
                    answer = await self._client.delete_object(Bucket=self._bucket, Key=key)
                    if answer.get("DeleteMarker"):
                        await self._delete_versions(key)

    async def _delete_versions(self, key: str) -> None:
        """Of a bucket that keeps them: a link to a version leads to it past the marker of its deletion."""
        listed = await self._client.list_object_versions(Bucket=self._bucket, Prefix=key)
        for item in [*listed.get("Versions", []), *listed.get("DeleteMarkers", [])]:
            if item["Key"] == key:
                await self._client.delete_object(Bucket=self._bucket, Key=key, VersionId=item["VersionId"])

    async def exists(self, key: str) -> bool:
        try:
            with _one_error("exists"):
                async with asyncio.timeout(self._timeout_s):
                    await self._client.head_object(Bucket=self._bucket, Key=check_key(key))
        except StorageError as error:
            cause = error.__cause__
            if isinstance(cause, ClientError) and cause.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return False
            raise
        return True

    async def check(self) -> None:
        try:
            with _one_error("check"):
                async with asyncio.timeout(min(self._timeout_s, CHECK_TIMEOUT_S)):
                    await self._write_and_read()
        except StorageError as error:
            raise NotReady(s3_fault(error.__cause__)) from error

    async def _write_and_read(self) -> None:
        """One small object, always the same: what cannot be read is of no use to clients."""
        named = {"Bucket": self._bucket, "Key": CHECK_KEY}
        answer = await self._prober.put_object(**named, Body=b"ready", **self._encryption)
        body = (await self._prober.get_object(**named))["Body"]
        async with body:
            await body.read()
        if (version := answer.get("VersionId", UNPINNED)) != UNPINNED:
            with contextlib.suppress(ClientError):  # the bucket's lifecycle removes it, too
                await self._prober.delete_object(**named, VersionId=version)


def _config(settings: StorageSettings, resolver: AbstractResolver | None, attempts: int) -> Any:
    return AioConfig(
        {"resolver": resolver} if resolver else None,
        signature_version="s3v4",
        s3={"addressing_style": settings.s3_addressing},
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"total_max_attempts": attempts, "mode": "standard"},
        max_pool_connections=CONNECTIONS,
        # Newer checksums are sent as trailers, which many S3-compatible servers refuse.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )


def _client(session: Any, settings: StorageSettings, endpoint: str, config: Any) -> Any:
    return session.client("s3", region_name=settings.s3_region, endpoint_url=endpoint or None, config=config)


@contextlib.contextmanager
def _one_error(action: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown error")
        raise StorageError(f"S3 {action}: {code}") from error
    except (BotoCoreError, HttpError, OSError, ValueError) as error:  # TimeoutError is an OSError
        raise StorageError(f"S3 {action}: {type(error).__name__}") from error
