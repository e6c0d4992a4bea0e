"""The only place where a client's URL is made; it demands a stored verdict on these very bytes."""

from dataclasses import dataclass
from typing import NewType

from frontend.audit.log import AuditLog
from frontend.domain.job_state import Blocked, Completed
from frontend.domain.picture import StoredFile, StoredPicture
from frontend.review.minors import about_minors
from frontend.review.release import release
from frontend.storage import Storage
from frontend.storage.signed_url import SignedUrl

ClientUrl = NewType("ClientUrl", str)


@dataclass(frozen=True)
class ClientLinks:
    picture: ClientUrl
    thumbnail: ClientUrl


class Links:
    def __init__(self, storage: Storage, audit: AuditLog) -> None:
        self._storage = storage
        self._audit = audit

    async def for_client(self, state: Completed, origin: str = "", *, download: bool = False) -> ClientLinks:
        """Freshly signed URLs of a picture that was found safe. `origin`, `download`: as of Storage.url.

        Raises Unreviewed, RedisError.
        """
        return await self._links(state, origin, download)

    async def for_moderator(self, state: Blocked, origin: str = "") -> ClientUrl | None:
        """Of a blocked picture. None: the minors rule did it, and nobody gets a link. Raises Unreviewed."""
        return None if about_minors(state.verdict) else (await self._links(state, origin, False)).picture

    async def _links(self, state: Completed | Blocked, origin: str, download: bool) -> ClientLinks:
        """Freshly signed URLs of a judged picture. Raises Unreviewed, RedisError."""
        await release(self._audit, state)
        picture = state.picture
        return ClientLinks(
            picture=await self._mint(picture.file, origin, download),
            thumbnail=await self._mint(picture.thumbnail, origin, download),
        )

    async def for_reviewer(self, picture: StoredPicture) -> SignedUrl:
        """What the ACS fetches the picture by; no answer can hold it."""
        return await self._storage.url(picture.file)

    async def _mint(self, file: StoredFile, origin: str, download: bool) -> ClientUrl:
        return ClientUrl((await self._storage.url(file, origin, download=download)).reveal())
