"""Where workers put finished pictures. A store that is away costs no picture: it waits until that is back.

It waits in memory, in its worker's place and under its job's lease: so there are at most as many as workers,
none waits longer than its job's deadline, none is larger than an object may be. A process that is killed
loses them, and their jobs are drawn again.
"""

import asyncio
import logging
import time

import msgspec

from frontend.common.outage_log import OutageLog
from frontend.common.probe import NotReady, Probe
from frontend.domain.picture import Finished, StoredPicture
from frontend.jobs.metrics import UNSTORED_PICTURES
from frontend.storage import ObjectRefused, Storage, StorageError

log = logging.getLogger(__name__)
PAUSE_S = 1.0
# Of one picture, by a store that takes other objects meanwhile: then the picture is to blame.
TRIES = 4


class PictureStore:
    def __init__(self, storage: Storage, probe: Probe, pause_s: float = PAUSE_S) -> None:
        """`probe`: of `storage`."""
        self._storage = storage
        self._probe = probe
        self._pause_s = pause_s
        self._outage = OutageLog(log, "pictures wait for their store")

    async def put(self, stored: StoredPicture, finished: Finished) -> StoredPicture:
        """Both files; with the versions that the store gave them. Waits for a store that is away.

        Raises StorageError where the store takes other objects and not this one.
        """
        left = TRIES
        with UNSTORED_PICTURES.track_inprogress():
            while True:
                try:
                    return await self._put(stored, finished)
                except ObjectRefused:
                    raise
                except StorageError:
                    if await self._works():
                        left -= 1
                    if not left:
                        raise
                await asyncio.sleep(self._pause_s * max(1, TRIES - left))
                await self.until_working()

    async def until_working(self) -> None:
        """At once, unless a picture was found to wait: what is drawn meanwhile would only wait, too."""
        while self._outage.lasts and not await self._works():
            await asyncio.sleep(self._pause_s)

    async def delete(self, stored: StoredPicture) -> None:
        """Raises StorageError."""
        await self._storage.delete([stored.key, stored.thumbnail_key])

    async def _works(self) -> bool:
        try:
            await self._probe.check(since=time.monotonic())
        except NotReady as error:
            self._outage.failed(str(error))
            return False
        self._outage.succeeded()
        return True

    async def _put(self, stored: StoredPicture, finished: Finished) -> StoredPicture:
        versions = await asyncio.gather(
            self._storage.put(stored.key, finished.picture.data, finished.picture.media_type),
            self._storage.put(stored.thumbnail_key, finished.thumbnail.data, finished.thumbnail.media_type),
            return_exceptions=True,  # so that none is under way when both are tried again
        )
        for version in versions:
            if isinstance(version, BaseException):
                raise version
        version, thumbnail_version = versions
        return msgspec.structs.replace(stored, version=version, thumbnail_version=thumbnail_version)
