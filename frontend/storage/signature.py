"""Signed, expiring paths of the local storage: an HMAC over key, file name, SHA-256 and expiry."""

import hmac
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from frontend.common.atomic_write import atomic_write
from frontend.domain.picture import StoredFile
from frontend.storage.protocol import StorageError

SECRET_BYTES = 32


class Signer:
    def __init__(self, secret: bytes, clock: Callable[[], float] = time.time) -> None:
        self._secret = secret
        self._clock = clock

    def sign(self, file: StoredFile, life_s: int) -> tuple[int, str]:
        """Unix time of the expiry, and the signature as 64 hex digits."""
        expires = int(self._clock()) + life_s
        return expires, self._signature(file, expires)

    def valid(self, file: StoredFile, expires: int, signature: str) -> bool:
        """Takes the same time wherever the signature differs."""
        expected = self._signature(file, expires)
        genuine = hmac.compare_digest(expected.encode(), signature.encode())
        return genuine and self._clock() < expires

    def _signature(self, file: StoredFile, expires: int) -> str:
        # No name, hash or number can hold a line feed, so two different links never give one message.
        message = f"GET\n{file.key}\n{file.filename}\n{file.sha256}\n{expires}"
        return hmac.digest(self._secret, message.encode(), "sha256").hex()


def load_secret(path: Path) -> bytes:
    """The secret in this file, made at the first start. Two processes that start at once get the same."""
    try:
        if not path.exists():
            # Of two processes that start at once, the first one's stays.
            atomic_write(path, secrets.token_bytes(SECRET_BYTES), mode=0o600, replace=False)
        if path.stat().st_mode & 0o077:
            raise StorageError(f"{path}: others may read it; it must have mode 0600")
        secret = path.read_bytes()
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}") from None
    if len(secret) != SECRET_BYTES:
        raise StorageError(f"{path}: not {SECRET_BYTES} bytes; remove it to have a new one made")
    return secret
