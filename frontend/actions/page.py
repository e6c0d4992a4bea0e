"""`/` and what the page asks for beside the API: the facts it is built on, and a key that is handed to it."""

import gzip
import html
from collections.abc import Sequence
from typing import Annotated
from urllib.parse import parse_qs

import msgspec
from aiohttp import hdrs, web
from msgspec import Meta

from contract.formats import FORMATS
from contract.limits import MAX_PROMPT_CHARACTERS
from contract.sizes import SIZES
from frontend.actions.context import SERVICES, Services
from frontend.common.errors import ApiError
from frontend.common.version import __version__
from frontend.http.body import check_encoding
from frontend.http.document import DOCUMENTS, respond
from frontend.http.middleware import json_response
from frontend.page.built_page import PAGE
from frontend.page.policy import page_policy
from frontend.storage.open_storage import links_lead_to
from frontend.storage.protocol import StorageError

MAX_FORM_BYTES = 2_048
_POLICY = "Content-Security-Policy"


class PageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the page must know before anybody has signed in."""

    version: Annotated[str, Meta(description="Of this program", examples=["1.0.0"])] = __version__
    sizes: Annotated[
        Sequence[tuple[int, int]], Meta(description="Width and height", examples=[[[1024, 1024]]])
    ] = SIZES
    formats: Annotated[Sequence[str], Meta(description="By name", examples=[["jpeg"]])] = tuple(FORMATS)
    max_prompt_characters: Annotated[int, Meta(description="Of a prompt", examples=[4000])] = (
        MAX_PROMPT_CHARACTERS
    )
    max_file_bytes: Annotated[int, Meta(description="Of a picture to verify", examples=[6291456])]


async def page(request: web.Request) -> web.Response:
    return respond(request, request.app[DOCUMENTS][PAGE], {_POLICY: await _policy(request)})


async def facts(request: web.Request) -> web.Response:
    body = request.app[SERVICES].max_body_bytes
    return json_response(PageFacts(max_file_bytes=(body - 1_024) * 3 // 4))  # it travels as base64


async def take_key(request: web.Request) -> web.Response:
    """The form that `imgen open` has the browser send. Without a code that was offered: the page, as for all.

    Raises ApiError.
    """
    services = request.app[SERVICES]
    check_encoding(request)
    if not 0 < (request.content_length or 0) <= MAX_FORM_BYTES:
        raise ApiError(413, "Request body is too large")
    form = parse_qs((await services.body_reader.read(request, lambda _: None)).decode("latin-1"))
    code, key = (form.get(name, [""])[0] for name in ("code", "key"))
    if not await services.handovers.take(code):
        return web.Response(status=303, headers={hdrs.LOCATION: "./"})
    await services.keys.authorize(f"Bearer {key}")
    told = f'<meta name="imgen-key" content="{html.escape(key)}">'.encode()
    body = gzip.decompress(request.app[DOCUMENTS][PAGE].compressed).replace(b"<head>", b"<head>" + told, 1)
    headers = {hdrs.CACHE_CONTROL: "no-store", _POLICY: await _policy(request)}
    return web.Response(body=body, content_type="text/html", charset="utf-8", headers=headers)


async def _policy(request: web.Request) -> str:
    return page_policy(await _pictures(request.app[SERVICES], request))


async def _pictures(services: Services, request: web.Request) -> str:
    """What links to pictures begin with; "" while the store cannot say: then none are handed out either."""
    try:
        return await links_lead_to(services.storage, services.origins.of(request))
    except StorageError:
        return ""
