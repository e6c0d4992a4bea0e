"""The one place where storage is opened and closed."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from yarl import URL

from frontend.common.errors import SettingError
from frontend.common.supervised import SupervisedLoop, in_background
from frontend.domain.picture import StoredFile
from frontend.storage.local import LocalStorage
from frontend.storage.protocol import Storage, StorageError
from frontend.storage.settings import StorageSettings
from frontend.storage.signature import Signer, load_secret

log = logging.getLogger(__name__)
_SWEEP_EVERY_S = 3600
_ADDRESSING = ("path", "virtual", "auto")
_ENCRYPTION = ("", "AES256", "aws:kms")


@contextlib.asynccontextmanager
async def open_storage(settings: StorageSettings, public_url: str) -> AsyncIterator[Storage]:
    """S3 where a bucket is set, else a folder in the data folder, served below `public_url`.

    Raises SettingError.
    """
    async with _open(settings, public_url) as storage:
        if isinstance(storage, LocalStorage):
            async with in_background(_sweep(storage)):
                yield storage
        else:
            yield storage


async def where_links_lead(settings: StorageSettings, public_url: str) -> str:
    """The URL that every picture's link lies below. Raises SettingError or StorageError."""
    async with _open(settings, public_url) as storage:
        return await links_lead_to(storage)


async def links_lead_to(storage: Storage, origin: str = "") -> str:
    """The same of an open storage, for a client of this origin (as of Storage.url). Raises StorageError.

    Taken from a link: which host and folder the settings come to is for the storage alone to know.
    """
    link = URL((await storage.url(StoredFile("any.jpg", "any.jpg", ""), origin)).reveal(), encoded=True)
    return f"{link.origin()}{link.raw_path.removesuffix('any.jpg')}"


@contextlib.asynccontextmanager
async def _open(settings: StorageSettings, public_url: str) -> AsyncIterator[Storage]:
    if not settings.s3_bucket:
        try:
            secret = await asyncio.to_thread(load_secret, settings.data_dir / "files.key")
        except StorageError as error:
            raise SettingError(f"IMGEN_DATA_DIR: {error}") from None
        folder = settings.data_dir / "files"
        yield LocalStorage(folder, Signer(secret), public_url, settings.url_life_s)
        return
    # Here, because it takes a third of a server's start, and the local folder needs none of it.
    from frontend.storage.s3 import S3Storage

    _check(settings)
    async with S3Storage.opened(settings) as storage:
        yield storage


async def _sweep(storage: LocalStorage) -> None:
    async def turn() -> None:
        await storage.sweep()
        await asyncio.sleep(_SWEEP_EVERY_S)

    await SupervisedLoop("old pictures are not removed", turn, log, pause_s=60).run()


def _check(settings: StorageSettings) -> None:
    if settings.s3_addressing not in _ADDRESSING:
        raise SettingError(f"IMGEN_S3_ADDRESSING: expected one of {', '.join(_ADDRESSING)}")
    if settings.s3_encryption not in _ENCRYPTION:
        raise SettingError("IMGEN_S3_ENCRYPTION: expected AES256, aws:kms or nothing")
