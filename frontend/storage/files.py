"""GET /files/{key}: how the local storage's links are answered."""

import asyncio
import hashlib
import logging
import re
from pathlib import Path

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict

from frontend.common.errors import ApiError
from frontend.domain.picture import StoredFile
from frontend.storage.local import LocalStorage
from frontend.storage.protocol import CACHE_CONTROL, StorageError, disposition, media_type_of

log = logging.getLogger(__name__)
_EXPIRES = re.compile(r"[0-9]{1,12}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


async def serve_file(storage: LocalStorage, request: web.Request) -> web.StreamResponse:
    """The picture, ranges included. `download` in the query has a browser save it; it is not signed, as it
    changes no byte. A link that is not genuine or too old is 403, whatever lies behind it.

    Bytes that are others than the link says, which are those that were reviewed, are not served: 404.
    """
    try:
        filename = _only(request, "filename")
        media_type = media_type_of(filename)
        expires, sha256, signature = (_only(request, name) for name in ("expires", "sha256", "signature"))
        if not (_EXPIRES.fullmatch(expires) and _DIGEST.fullmatch(sha256) and _DIGEST.fullmatch(signature)):
            raise StorageError("refused: a malformed link")
        file = StoredFile(request.match_info["key"], filename, sha256)
        path = storage.locate(file, int(expires), signature)
    except StorageError:
        path = None
    if path is None:
        raise ApiError(403, "Link is invalid or has expired")
    if not path.is_file():
        raise ApiError(404, "Not found")
    if await asyncio.to_thread(_sha256_of, path) != sha256:
        log.error("%s is not the file that was reviewed: it is not served", file.key)
        raise ApiError(404, "Not found")
    headers = {
        "Content-Type": media_type,
        "Content-Disposition": disposition(filename, "download" in request.query),
        "Cache-Control": CACHE_CONTROL,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "cross-origin",  # also for pages that are isolated from others
    }
    return PictureResponse(path, headers=headers)


class PictureResponse(web.FileResponse):
    """The whole file where several ranges are asked for, which every client understands."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        if "," in request.headers.get(hdrs.RANGE, ""):
            headers = CIMultiDict(request.headers)
            del headers[hdrs.RANGE]
            request = request.clone(headers=headers)
        return await super().prepare(request)


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _only(request: web.Request, name: str) -> str:
    values = request.query.getall(name, [])
    if len(values) != 1:
        raise StorageError("refused: a malformed link")
    return values[0]
