"""`GET /files/{key}`: the local folder's pictures; an S3 bucket serves its own."""

from aiohttp import web

from frontend.actions.context import SERVICES
from frontend.common.errors import ApiError
from frontend.storage import LocalStorage
from frontend.storage.files import serve_file


async def files(request: web.Request) -> web.StreamResponse:
    storage = request.app[SERVICES].storage
    if not isinstance(storage, LocalStorage):
        raise ApiError(404, "Not found")
    return await serve_file(storage, request)
