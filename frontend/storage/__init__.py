"""Where pictures lie: an S3 bucket, or a local folder with signed, expiring URLs."""

from frontend.storage.local import LocalStorage
from frontend.storage.opening import open_storage
from frontend.storage.protocol import Storage, StorageError
from frontend.storage.s3 import S3Storage

__all__ = ["LocalStorage", "S3Storage", "Storage", "StorageError", "open_storage"]
