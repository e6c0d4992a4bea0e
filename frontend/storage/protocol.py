"""What both kinds of storage promise, and the names that they accept."""

import re
from collections.abc import Sequence
from typing import Protocol

from contract.formats import BY_EXTENSION
from frontend.domain.picture import StoredFile
from frontend.storage.signed_url import SignedUrl

MAX_OBJECT_BYTES = 64 * 2**20
CACHE_CONTROL = "private"  # whoever has the link, for a while: no cache that others share

_FILENAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,199}")
_MAX_KEY = 512
_MAX_DEPTH = 16


class StorageError(Exception):
    """One line for the log: what was tried and which error came back. Never a URL or a secret."""


class ObjectRefused(StorageError):
    """Not an object to store: no other try can change that."""


class Storage(Protocol):
    """Every method raises StorageError, within a bounded time."""

    async def put(self, key: str, data: bytes, media_type: str) -> str:
        """Stores the object durably and whole, in place of what had that key. Not public.

        The version that the store keeps it as, "" where it keeps none.
        """

    async def url(self, file: StoredFile, origin: str = "", *, download: bool = False) -> SignedUrl:
        """A GET URL of `settings.url_life_s` seconds that shows the object under the file's name, or has a
        browser save it (`download`).

        `origin`: what a link to this server begins with, for who asks; "": as the settings say.
        Pinned to the file's bytes: a folder serves those of its hash only, a bucket with versions that one.
        Made without asking whether the object exists.
        """

    async def read(self, file: StoredFile) -> bytes:
        """The object as it is now, or in the file's version where the store keeps one. Whether these are the
        file's bytes is for the caller to find out (review/reviewed_pictures.py)."""

    async def delete(self, keys: Sequence[str]) -> None:
        """Removes the objects with all their versions; a missing one is no error."""

    async def exists(self, key: str) -> bool:
        """Whether the object is there."""

    async def check(self) -> None:
        """Raises NotReady, which names the setting to look at, unless objects can be stored at this moment:
        it stores one."""


def check_filename(name: str) -> str:
    """`name`, if it is 1 to 200 characters of A-Z a-z 0-9 _ - . that do not start with a dot or a dash."""
    if not _FILENAME.fullmatch(name):
        raise ObjectRefused("refused: a file name outside the permitted characters")
    return name


def check_key(key: str) -> str:
    """`key`, if it is up to 16 file names joined by slashes, which no folder can be escaped with."""
    parts = key.split("/")
    if len(key) > _MAX_KEY or len(parts) > _MAX_DEPTH or not all(map(_FILENAME.fullmatch, parts)):
        raise ObjectRefused("refused: a key outside the permitted characters")
    return key


def media_type_of(filename: str) -> str:
    """The media type that the name's extension stands for: of a picture's format, so that no object can ever
    be a page or a script."""
    try:
        return BY_EXTENSION[check_filename(filename).rpartition(".")[2]].media_type
    except KeyError:
        raise ObjectRefused("refused: not the name of a JPEG, PNG, WebP or AVIF file") from None


def disposition(filename: str, download: bool) -> str:
    """The `Content-Disposition` of a checked file name."""
    return f'{"attachment" if download else "inline"}; filename="{filename}"'


def check_object(key: str, data: bytes, media_type: str) -> None:
    """Raises StorageError unless this object may be stored under this key."""
    if media_type_of(check_key(key).rpartition("/")[2]) != media_type:
        raise ObjectRefused("refused: the media type does not fit the key's extension")
    if len(data) > MAX_OBJECT_BYTES:
        raise ObjectRefused(f"refused: more than {MAX_OBJECT_BYTES} bytes")
