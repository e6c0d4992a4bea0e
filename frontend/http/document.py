"""A page or file that this server carries: made once, the same for everyone."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import hdrs, web

from frontend.common.errors import ApiError


@dataclass(frozen=True, kw_only=True)
class Document:
    """`body` is held compressed."""

    compressed: bytes
    media_type: str  # with its charset
    policy: str = ""  # Content-Security-Policy of a page; "" for what every answer has
    cache: str = "no-cache"  # Cache-Control
    etag: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "etag", f'W/"{hashlib.sha256(self.compressed).hexdigest()[:32]}"')

    @classmethod
    def of(cls, body: str | bytes, media_type: str, policy: str = "") -> "Document":
        raw = body.encode() if isinstance(body, str) else body
        return cls(compressed=gzip.compress(raw, mtime=0), media_type=media_type, policy=policy)


IMMUTABLE = "public, max-age=31536000, immutable"
"""Of files whose names change with what is in them."""
DOCUMENTS = web.AppKey("documents", Mapping[str, Document])
"""By the path that they are served at."""


async def document(request: web.Request) -> web.Response:
    """The document of the request's path."""
    found = request.app[DOCUMENTS].get(request.path)
    if found is None:
        raise ApiError(404, "Not found")
    return respond(request, found, {"Content-Security-Policy": found.policy} if found.policy else {})


def respond(request: web.Request, found: Document, more: Mapping[str, str]) -> web.Response:
    """`more`: headers."""
    headers: dict[str, str] = {
        hdrs.ETAG: found.etag,
        hdrs.CACHE_CONTROL: found.cache,
        hdrs.VARY: hdrs.ACCEPT_ENCODING,
        **more,
    }
    if found.etag in request.headers.get(hdrs.IF_NONE_MATCH, ""):
        return web.Response(status=304, headers=headers)
    headers[hdrs.CONTENT_TYPE] = found.media_type
    if not _takes_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, "")):
        return web.Response(body=gzip.decompress(found.compressed), headers=headers)
    headers[hdrs.CONTENT_ENCODING] = "gzip"
    return web.Response(body=found.compressed, headers=headers)


def _takes_gzip(accepted: str) -> bool:
    for each in accepted.lower().split(","):
        name, _, weight = each.partition(";")
        if name.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
