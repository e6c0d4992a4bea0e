"""The only place where a client's URL is made; it demands a stored verdict on these very bytes."""

from dataclasses import dataclass
from typing import NewType

from frontend.domain.job_state import Blocked, Completed
from frontend.domain.picture import StoredFile, StoredPicture
from frontend.review.minors import about_minors
from frontend.storage import Storage
from frontend.storage.signed_url import SignedUrl

ClientUrl = NewType("ClientUrl", str)


class Unreviewed(Exception):
    """There is no verdict on these bytes, so there is no URL either."""


@dataclass(frozen=True)
class ClientLinks:
    picture: ClientUrl
    thumbnail: ClientUrl


class Links:
    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def for_client(self, state: Completed, origin: str = "") -> ClientLinks:
        """Freshly signed URLs of a picture that was found safe. `origin`: as of Storage.url.

        Raises Unreviewed.
        """
        return await self._links(state, origin)

    async def for_moderator(self, state: Blocked, origin: str = "") -> ClientUrl | None:
        """Of a blocked picture. None: the minors rule did it, and nobody gets a link. Raises Unreviewed."""
        return None if about_minors(state.verdict) else (await self._links(state, origin)).picture

    async def _links(self, state: Completed | Blocked, origin: str) -> ClientLinks:
        """Freshly signed URLs of a judged picture. Raises Unreviewed."""
        picture = state.picture
        if state.verdict.sha256 != picture.sha256:
            raise Unreviewed(state.job.id)
        return ClientLinks(
            picture=await self._mint(picture.file, origin),
            thumbnail=await self._mint(picture.thumbnail, origin),
        )

    async def for_reviewer(self, picture: StoredPicture) -> SignedUrl:
        """What the ACS fetches the picture by; no answer can hold it."""
        return await self._storage.url(picture.file)

    async def _mint(self, file: StoredFile, origin: str) -> ClientUrl:
        return ClientUrl((await self._storage.url(file, origin)).reveal())
