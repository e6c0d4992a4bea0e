"""Names that the storage tests share."""

import hashlib

from frontend.domain.picture import StoredFile

ACCESS_KEY = "AKTESTTESTTESTTEST00"
SECRET_KEY = "a-secret-that-only-the-tests-know"
BUCKET = "pictures"
FILENAME = "a1b2c3d4e5f6g7h8i9j0_ffee_00001.jpg"
KEY = f"pictures/2026/11/23/a1b2c3d4e5f6g7h8i9j0/1/{FILENAME}"
JPEG = "image/jpeg"


def stored(data: bytes, key: str = KEY, filename: str = FILENAME, version: str = "") -> StoredFile:
    """What a link is asked for, where these bytes were put."""
    return StoredFile(key, filename, hashlib.sha256(data).hexdigest(), version)
