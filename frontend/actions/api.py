"""`POST /api/v2`: who asks, for which action, and the answer."""

from aiohttp import hdrs, web
from multidict import istr

from frontend.actions import ACTIONS, RATE_CLASSES, WITHOUT_KEY
from frontend.actions.context import BODY_TIMEOUT_S, SERVICES, Call, Visit
from frontend.common.errors import ApiError
from frontend.http.body import read_body, read_object
from frontend.http.middleware import json_response
from frontend.net.client_address import client_address

IDEMPOTENCY_KEY = istr("Idempotency-Key")


async def api(request: web.Request) -> web.Response:
    """Checks in the API's order: size, key, JSON, action."""
    services = request.app[SERVICES]
    raw = await read_body(request, request.app[BODY_TIMEOUT_S])
    header = request.headers.get(hdrs.AUTHORIZATION)
    if header is None and (answer := await _without_key(request, raw)):
        return answer
    key = await services.keys.authorize(header)
    await services.rates.admit(key)
    body = read_object(raw)
    name = body.get("action")
    if name is None or name == "":
        raise ApiError(400, "Missing action")
    action = ACTIONS.get(name) if isinstance(name, str) else None
    if action is None:
        raise ApiError(400, "Unknown action")
    if name in RATE_CLASSES:
        await services.rates.admit(key, RATE_CLASSES[name])
    call = Call(services, key, body, request.headers.get(IDEMPOTENCY_KEY))
    return json_response(await action(call))


async def _without_key(request: web.Request, raw: bytes) -> web.Response | None:
    """None for whatever needs a key, a body without sense included: that is answered 401 as ever."""
    services = request.app[SERVICES]
    try:
        body = read_object(raw)
    except ApiError:
        return None
    name = body.get("action")
    action = WITHOUT_KEY.get(name) if isinstance(name, str) else None
    if action is None:
        return None
    address = client_address(request, services.proxies)
    return json_response(await action(Visit(services, address, body)))
