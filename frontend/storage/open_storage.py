"""The one place where storage is opened and closed."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from yarl import URL

from frontend.net.public_url import only_local, public_url
from frontend.settings import SettingError, Settings
from frontend.storage.local import LocalStorage
from frontend.storage.protocol import Storage
from frontend.storage.signature import Signer, load_secret

log = logging.getLogger(__name__)
_SWEEP_EVERY_S = 3600
_ADDRESSING = ("path", "virtual", "auto")
_ENCRYPTION = ("", "AES256", "aws:kms")


@contextlib.asynccontextmanager
async def open_storage(settings: Settings) -> AsyncIterator[Storage]:
    """S3 where a bucket is set, else a folder in the data folder. Raises SettingError or StorageError."""
    async with _opened(settings) as storage:
        if isinstance(storage, LocalStorage):
            if words := only_local(settings):
                log.warning("%s", words)
            async with _swept(storage):
                yield storage
        else:
            yield storage


async def where_links_lead(settings: Settings) -> str:
    """The URL that every picture's link lies below. Raises SettingError or StorageError.

    Taken from a link: which host and folder the settings come to is for the storage alone to know.
    """
    async with _opened(settings) as storage:
        link = URL(await storage.url("any.jpg", "any.jpg"), encoded=True)
    return f"{link.origin()}{link.raw_path.removesuffix('any.jpg')}"


@contextlib.asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Storage]:
    if not settings.s3_bucket:
        secret = await asyncio.to_thread(load_secret, settings.data_dir / "files.key")
        folder = settings.data_dir / "files"
        yield LocalStorage(folder, Signer(secret), public_url(settings), settings.url_life_s)
        return
    # Here, because it takes a third of a server's start, and the local folder needs none of it.
    from frontend.storage.s3 import S3Storage

    _check(settings)
    async with S3Storage.opened(settings) as storage:
        yield storage


@contextlib.asynccontextmanager
async def _swept(storage: LocalStorage) -> AsyncIterator[None]:
    sweeping = asyncio.create_task(_sweep(storage))
    try:
        yield
    finally:
        sweeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sweeping


async def _sweep(storage: LocalStorage) -> None:
    while True:
        await storage.sweep()
        await asyncio.sleep(_SWEEP_EVERY_S)


def _check(settings: Settings) -> None:
    if settings.s3_addressing not in _ADDRESSING:
        raise SettingError(f"IMGEN_S3_ADDRESSING: expected one of {', '.join(_ADDRESSING)}")
    if settings.s3_encryption not in _ENCRYPTION:
        raise SettingError("IMGEN_S3_ENCRYPTION: expected AES256, aws:kms or nothing")
