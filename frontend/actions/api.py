"""`POST /api/v2`: who asks, for which action, and the answer."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web
from multidict import istr

from frontend.actions import ACTIONS, RATE_CLASSES, WITHOUT_KEY
from frontend.actions.admission import admit
from frontend.actions.context import SERVICES, Call, Services, Visit
from frontend.common.errors import ApiError
from frontend.http.middleware import json_response
from frontend.keys.api_keys import KeyRecord
from frontend.net.client_address import client_address

IDEMPOTENCY_KEY = istr("Idempotency-Key")


async def api(request: web.Request) -> web.Response:
    """Checks in the API's order: size, key, JSON, action."""
    services = request.app[SERVICES]
    key = await admit(request)
    answer = _with_key(request, services, key) if key else _without_key(request, services)
    return json_response(await answer)


async def _with_key(request: web.Request, services: Services, key: KeyRecord) -> Mapping[str, Any]:
    with services.body_budget.account(key.id) as take:
        body = await services.bodies.parse(await services.body_reader.read(request, take))
        name = body.get("action")
        if name is None or name == "":
            raise ApiError(400, "Missing action")
        action = ACTIONS.get(name) if isinstance(name, str) else None
        if action is None:
            raise ApiError(400, "Unknown action")
        if name in RATE_CLASSES:
            await services.rates.admit(key, RATE_CLASSES[name])
        repeat, origin = request.headers.get(IDEMPOTENCY_KEY), services.origins.of(request)
        return await action(Call(services, key, body, repeat, origin))


async def _without_key(request: web.Request, services: Services) -> Mapping[str, Any]:
    """401 for whatever needs a key, a body without sense included."""
    address = client_address(request, services.proxies)
    with services.anonymous_body_budget.account(address) as take:
        body = await _parse_or_refuse(services, await services.body_reader.read(request, take))
        name = body.get("action")
        action = WITHOUT_KEY.get(name) if isinstance(name, str) else None
        if action is None:
            raise ApiError(401, "Unauthorized")
        return await action(Visit(services, address, body))


async def _parse_or_refuse(services: Services, raw: bytearray) -> Mapping[str, Any]:
    try:
        return await services.bodies.parse(raw)
    except ApiError as error:
        if error.status != 400:
            raise
        raise ApiError(401, "Unauthorized") from None
