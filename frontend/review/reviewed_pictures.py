"""The only place where a picture's bytes are read for a client; it demands a stored verdict on them."""

import asyncio
import hashlib

from frontend.audit.log import AuditLog
from frontend.domain.job_state import Completed
from frontend.review.release import Unreviewed, release
from frontend.storage import Storage


class ReviewedPictures:
    def __init__(self, storage: Storage, audit: AuditLog) -> None:
        self._storage = storage
        self._audit = audit

    async def read(self, state: Completed) -> bytes:
        """The file of a picture that was found safe. Raises Unreviewed, StorageError, RedisError."""
        data = await self._storage.read(state.picture.file)
        if await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest()) != state.verdict.sha256:
            raise Unreviewed(state.job.id)
        await release(self._audit, state)
        return data
