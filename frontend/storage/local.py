"""Pictures in a folder, behind signed, expiring URLs of this server. For one machine; no bucket needed."""

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from yarl import URL

from frontend.common.atomic_write import atomic_write, sync_folder
from frontend.common.coalescer import Coalescer
from frontend.common.probe import NotReady
from frontend.domain.picture import StoredFile
from frontend.storage.protocol import (
    MAX_OBJECT_BYTES,
    StorageError,
    check_key,
    check_object,
    media_type_of,
)
from frontend.storage.signature import Signer
from frontend.storage.signed_url import SignedUrl

KEEP_DAYS = 30
"""As in deploy/s3-lifecycle.json, the bucket's rule."""
ROOM_BYTES = 4 << 20  # more than the largest picture takes without loss, with its thumbnail
_WRITING = ".writing"  # no key starts with a dot


class LocalStorage:
    def __init__(self, folder: Path, signer: Signer, public_url: str, life_s: int) -> None:
        self._folder = folder
        self._signer = signer
        self._files_url = str(URL(public_url) / "files")
        self._life_s = life_s
        self._checking: asyncio.Future[None] | None = None
        self._looks: Coalescer[str, bool] = Coalescer(self._look)  # in one thread at a time

    async def put(self, key: str, data: bytes, media_type: str) -> str:
        check_object(key, data, media_type)
        try:
            await asyncio.to_thread(self._write, self._folder / key, data)
        except OSError as error:
            raise StorageError(f"folder put: {error.strerror}") from error
        return ""

    async def url(self, file: StoredFile, origin: str = "", *, download: bool = False) -> SignedUrl:
        media_type_of(file.filename)
        check_key(file.key)
        expires, signature = self._signer.sign(file, self._life_s)
        base = f"{origin}/files" if origin else self._files_url
        # Nothing to quote: keys and file names hold only characters that may stand in a URL as they are.
        return SignedUrl(
            f"{base}/{file.key}?expires={expires}&filename={file.filename}"
            f"&sha256={file.sha256}&signature={signature}{'&download' if download else ''}"
        )

    async def read(self, file: StoredFile) -> bytes:
        path = self._folder / check_key(file.key)
        try:
            return await asyncio.to_thread(_read, path)
        except OSError as error:
            raise StorageError(f"folder read: {error.strerror}") from error

    async def delete(self, keys: Sequence[str]) -> None:
        paths = [self._folder / check_key(key) for key in keys]
        try:
            for path in paths:
                await asyncio.to_thread(path.unlink, missing_ok=True)
        except OSError as error:
            raise StorageError(f"folder delete: {error.strerror}") from error

    async def exists(self, key: str) -> bool:
        try:
            return await self._looks.get(check_key(key))
        except OSError as error:
            raise StorageError(f"folder exists: {error.strerror}") from error

    async def check(self) -> None:
        # One at a time: a file system that hangs would otherwise take one thread after the other.
        if self._checking is None or self._checking.done():
            self._checking = asyncio.ensure_future(asyncio.to_thread(self._try_to_write))
        try:
            await asyncio.shield(self._checking)
        except OSError as error:
            raise NotReady(f"IMGEN_DATA_DIR: no picture can be stored there: {error.strerror}") from error

    def locate(self, file: StoredFile, expires: int, signature: str) -> Path | None:
        """Where the file of a link should lie; None if the link is not genuine or has expired."""
        path = self._folder / check_key(file.key)
        return path if self._signer.valid(file, expires, signature) else None

    async def sweep(self, now: float | None = None) -> None:
        """Removes pictures past their days, and what a killed process left half-written."""
        limit = (time.time() if now is None else now) - KEEP_DAYS * 86_400
        await asyncio.to_thread(_remove_older, self._folder, limit)

    async def _look(self, keys: list[str]) -> list[bool]:
        return await asyncio.to_thread(lambda: [(self._folder / key).is_file() for key in keys])

    def _try_to_write(self) -> None:
        """As a picture is written, with as much room as a large one takes."""
        drafts = self._folder / _WRITING
        drafts.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=drafts, buffering=0) as file:
            os.posix_fallocate(file.fileno(), 0, ROOM_BYTES)
            file.write(b"ready")
            os.fsync(file.fileno())

    def _write(self, path: Path, data: bytes) -> None:
        """Written beside, forced to disk, then renamed: a reader sees the old object or the new one."""
        drafts = self._folder / _WRITING
        drafts.mkdir(parents=True, exist_ok=True)
        atomic_write(path, data, beside=drafts)
        for folder in path.parents:  # a new folder is on disk when its parent is
            sync_folder(folder)
            if folder == self._folder:
                break


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_OBJECT_BYTES)


def _remove_older(folder: Path, limit: float) -> None:
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(parent) / name
            with contextlib.suppress(OSError):  # another process may sweep too
                if path.stat().st_mtime < limit:
                    path.unlink()
        with contextlib.suppress(OSError):  # goes only if empty
            if Path(parent).stat().st_mtime < limit and parent != str(folder):
                Path(parent).rmdir()
