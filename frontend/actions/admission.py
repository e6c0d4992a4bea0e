"""Who gets work out of this server: everything that is asked before a byte of a request's body is read."""

import time

from aiohttp import hdrs, web

from frontend.actions.context import SERVICES, Services
from frontend.common.errors import ApiError
from frontend.http.body import check_encoding, check_size
from frontend.http.quotas import quotas_of
from frontend.keys.api_keys import KeyRecord, Scope
from frontend.net.client_address import client_address


async def admit(request: web.Request) -> KeyRecord | None:
    """The key that asks; None for a stranger, who may only ask what needs none. Raises ApiError.

    In the API's order: the announced size, the address or the key and its rate, the encoding.
    """
    services = request.app[SERVICES]
    check_size(request)
    headers = request.headers.getall(hdrs.AUTHORIZATION, ())
    if not headers:
        _admit_stranger(request, services)
        return None
    if len(headers) > 1:  # a proxy may look at the one and we at the other
        raise ApiError(401, "Unauthorized")
    key, quota = await services.admission.admit(headers[0])
    quotas_of(request).append(quota)
    check_encoding(request)
    return key


async def admit_with_key(request: web.Request) -> KeyRecord:
    """Where nothing goes without a key that may do everything. Raises ApiError."""
    key = await admit(request)
    if key is None:
        raise ApiError(401, "Unauthorized")
    check_scope(key, Scope.GENERATE)
    return key


def check_scope(key: KeyRecord, needed: Scope) -> None:
    """Raises ApiError 403."""
    if not key.may(needed):
        raise ApiError(403, "Forbidden", detail=f"This key lacks the scope {needed}")


def _admit_stranger(request: web.Request, services: Services) -> None:
    services.anonymous.admit(client_address(request, services.proxies), time.monotonic())
    try:
        check_encoding(request)
    except ApiError:  # what it is cannot be told, and only a picture to verify needs no key
        raise ApiError(401, "Unauthorized") from None
