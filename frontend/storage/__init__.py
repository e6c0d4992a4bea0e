"""Where pictures lie: an S3 bucket, or a local folder with signed, expiring URLs."""

from frontend.storage.local import LocalStorage
from frontend.storage.open_storage import open_storage
from frontend.storage.protocol import ObjectRefused, Storage, StorageError

__all__ = ["LocalStorage", "ObjectRefused", "Storage", "StorageError", "open_storage"]
