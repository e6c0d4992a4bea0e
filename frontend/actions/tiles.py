"""`GET /api/v2/tiles`: small pictures of styles and characters, whose names need a key."""

import asyncio
from collections.abc import Mapping
from typing import Annotated

import msgspec
from aiohttp import hdrs, web
from msgspec import Meta

from frontend.actions.admission import admit_with_key
from frontend.actions.context import SERVICES, Services
from frontend.catalogue.tiles import KINDS, ModelTiles
from frontend.common.errors import ApiError
from frontend.http.middleware import json_response


class TilesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What there is a small picture of."""

    models: Annotated[Mapping[str, ModelTiles], Meta(description="By model")]


async def tiles(request: web.Request) -> web.Response:
    services = await _services_with_key(request)
    found = await asyncio.to_thread(services.tiles.all, services.catalogue.current)
    return json_response(TilesAnswer(models=found))


async def tile(request: web.Request) -> web.Response:
    """Kept by the browser for good: its address holds the file's digest as `?v=`."""
    services = await _services_with_key(request)
    model, kind, name = (request.match_info[part] for part in ("model", "kind", "name"))
    known = next((each for each in KINDS if each == kind), None)
    if known is None:
        raise ApiError(404, "Not found")
    data = await asyncio.to_thread(services.tiles.read, services.catalogue.current, model, known, name)
    if data is None:
        raise ApiError(404, "Not found")
    headers = {hdrs.CACHE_CONTROL: "private, max-age=31536000, immutable", hdrs.VARY: hdrs.AUTHORIZATION}
    return web.Response(body=data, content_type="image/webp", headers=headers)


async def _services_with_key(request: web.Request) -> Services:
    await admit_with_key(request)
    return request.app[SERVICES]
