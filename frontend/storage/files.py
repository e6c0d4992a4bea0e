"""GET /files/{key}: how the local storage's links are answered."""

import re

from aiohttp import web

from frontend.common.errors import ApiError
from frontend.storage.local import LocalStorage
from frontend.storage.protocol import StorageError, media_type_of

_EXPIRES = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")


async def serve_file(storage: LocalStorage, request: web.Request) -> web.StreamResponse:
    """The picture, ranges included. A link that is not genuine or too old is 403, whatever lies behind it."""
    try:
        filename = _only(request, "filename")
        media_type = media_type_of(filename)
        expires, signature = _only(request, "expires"), _only(request, "signature")
        if not _EXPIRES.fullmatch(expires) or not _SIGNATURE.fullmatch(signature):
            raise StorageError("refused: a malformed link")
        path = storage.locate(request.match_info["key"], filename, int(expires), signature)
    except StorageError:
        path = None
    if path is None:
        raise ApiError(403, "Link is invalid or has expired")
    if not path.is_file():
        raise ApiError(404, "Not found")
    headers = {
        "Content-Type": media_type,
        "Content-Disposition": f'inline; filename="{filename}"',
        "Cache-Control": "private",
        "X-Content-Type-Options": "nosniff",
    }
    return web.FileResponse(path, headers=headers)


def _only(request: web.Request, name: str) -> str:
    values = request.query.getall(name, [])
    if len(values) != 1:
        raise StorageError("refused: a malformed link")
    return values[0]
