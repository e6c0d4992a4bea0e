"""The only place where a client's URL is made; it demands a stored verdict on these very bytes."""

from dataclasses import dataclass

from frontend.domain.job import JobView, StoredPicture
from frontend.storage import Storage


class Unreviewed(Exception):
    """There is no verdict on these bytes, so there is no URL either."""


@dataclass(frozen=True)
class ClientLinks:
    picture: str
    thumbnail: str


class Links:
    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def for_client(self, view: JobView) -> ClientLinks:
        """Freshly signed URLs of a judged picture. Raises Unreviewed."""
        picture, verdict = view.picture, view.verdict
        if picture is None or verdict is None or verdict.sha256 != picture.sha256:
            raise Unreviewed(view.job.id)
        return ClientLinks(
            picture=await self._storage.url(picture.key, picture.filename),
            thumbnail=await self._storage.url(picture.thumbnail_key, picture.thumbnail_filename),
        )

    async def for_reviewer(self, picture: StoredPicture) -> str:
        """What the ACS fetches the picture by; it never leaves the review."""
        return await self._storage.url(picture.key, picture.filename)
