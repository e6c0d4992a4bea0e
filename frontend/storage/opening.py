"""The one place where storage is opened and closed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from yarl import URL

from frontend.settings import SettingError, Settings
from frontend.storage.local import LocalStorage
from frontend.storage.protocol import Storage
from frontend.storage.signature import Signer, load_secret

_SWEEP_EVERY_S = 3600
_ADDRESSING = ("path", "virtual", "auto")
_ENCRYPTION = ("", "AES256", "aws:kms")


@contextlib.asynccontextmanager
async def open_storage(settings: Settings) -> AsyncIterator[Storage]:
    """S3 where a bucket is set, else a folder in the data folder. Raises SettingError or StorageError."""
    if settings.s3_bucket:
        # Here, because it takes a third of a server's start, and the local folder needs none of it.
        from frontend.storage.s3 import S3Storage

        _check(settings)
        async with S3Storage.opened(settings) as storage:
            yield storage
    else:
        async with _local(settings) as storage:
            yield storage


@contextlib.asynccontextmanager
async def _local(settings: Settings) -> AsyncIterator[LocalStorage]:
    secret = await asyncio.to_thread(load_secret, settings.data_dir / "files.key")
    folder = settings.data_dir / "files"
    storage = LocalStorage(folder, Signer(secret), _public_url(settings), settings.url_life_s)
    sweeping = asyncio.create_task(_sweep(storage))
    try:
        yield storage
    finally:
        sweeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sweeping


async def _sweep(storage: LocalStorage) -> None:
    while True:
        await storage.sweep()
        await asyncio.sleep(_SWEEP_EVERY_S)


def _public_url(settings: Settings) -> str:
    if settings.public_url:
        return settings.public_url
    if settings.port == 0:
        raise SettingError(
            "IMGEN_PUBLIC_URL is not set, and IMGEN_PORT is 0: no link to a picture could be made"
        )
    return str(URL.build(scheme="http", host=settings.host, port=settings.port))


def _check(settings: Settings) -> None:
    if settings.s3_addressing not in _ADDRESSING:
        raise SettingError(f"IMGEN_S3_ADDRESSING: expected one of {', '.join(_ADDRESSING)}")
    if settings.s3_encryption not in _ENCRYPTION:
        raise SettingError("IMGEN_S3_ENCRYPTION: expected AES256, aws:kms or nothing")
