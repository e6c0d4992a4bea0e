"""`POST /api/v2`: who asks, for which action, and the answer."""

from typing import Any

import msgspec
from aiohttp import web

from frontend.actions import ACTIONS
from frontend.actions.admission import admit, check_scope
from frontend.actions.context import SERVICES, Call, Services, Visit
from frontend.actions.generate import GenerateAnswer
from frontend.actions.prefer import wait_for_end
from frontend.common.errors import ApiError
from frontend.common.tracer import note
from frontend.common.work_context import know_key
from frontend.http import metrics
from frontend.http.middleware import json_response
from frontend.http.quotas import quotas_of
from frontend.keys.api_keys import KeyRecord
from frontend.net.client_address import client_address


async def api(request: web.Request) -> web.Response:
    """Checks in the API's order: size, key, JSON, action."""
    services = request.app[SERVICES]
    key = await admit(request)
    if key is None:
        return json_response(await _without_key(request, services))
    know_key(key.id)
    answer = await _with_key(request, services, key)
    if isinstance(answer, GenerateAnswer):
        return await wait_for_end(request, services, key, answer) or json_response(answer)
    return json_response(answer)


async def _with_key(request: web.Request, services: Services, key: KeyRecord) -> msgspec.Struct:
    with services.body_budget.account(key.id) as take:
        body = await services.bodies.parse(await services.body_reader.read(request, take))
        name = body.get("action")
        if name is None or name == "":
            raise ApiError(400, "Missing action")
        action = ACTIONS.get(name) if isinstance(name, str) else None
        if action is None:
            raise ApiError(400, "Unknown action")
        note(action=action.name)
        check_scope(key, action.scope)
        if action.rate:
            quotas_of(request).append(await services.rates.admit(key, action.rate))
        with metrics.timed_action(action.name):
            return await action.run(Call(services, key, action.read(body), body, request))


async def _without_key(request: web.Request, services: Services) -> msgspec.Struct:
    """401 for whatever needs a key, a body without sense included."""
    address = client_address(request, services.proxies)
    with services.anonymous_body_budget.account(address) as take:
        body = await _parse_or_refuse(services, await services.body_reader.read(request, take))
        name = body.get("action")
        action = ACTIONS.get(name) if isinstance(name, str) else None
        if action is None or action.run_without_key is None:
            raise ApiError(401, "Unauthorized")
        with metrics.timed_action(action.name):
            return await action.run_without_key(Visit(services, address, action.read(body)))


async def _parse_or_refuse(services: Services, raw: bytearray) -> dict[str, Any]:
    try:
        return await services.bodies.parse(raw)
    except ApiError as error:
        if error.status != 400:
            raise
        raise ApiError(401, "Unauthorized") from None
