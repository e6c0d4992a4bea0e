"""The way in for a reader: what the server is built of, and what it answers.

Services are built once (services.py). Every route is in `ROUTES`, every action in actions/__init__.py.
"""

from collections.abc import AsyncIterator

from aiohttp import hdrs, web
from multidict import istr

from frontend.actions import ACTIONS, WITHOUT_KEY
from frontend.actions.context import Call, Services, Visit
from frontend.common.errors import ApiError
from frontend.common.version import __version__
from frontend.http import metrics
from frontend.http.body import read_body, read_object
from frontend.http.health import is_ready
from frontend.http.middleware import json_response, middleware
from frontend.net.client_address import address_of
from frontend.services import OpenInference, open_inference, open_services
from frontend.settings import Settings
from frontend.storage import LocalStorage
from frontend.storage.files import serve_file

IDEMPOTENCY_KEY = istr("Idempotency-Key")
FORWARDED = istr("X-Forwarded-For")
SERVICES = web.AppKey("services", Services)
BODY_TIMEOUT_S = web.AppKey("body_timeout_s", float)


async def api(request: web.Request) -> web.Response:
    """`POST /api/v2`. Checks in the API's order: size, key, JSON, action."""
    services = request.app[SERVICES]
    raw = await read_body(request, request.app[BODY_TIMEOUT_S])
    header = request.headers.get(hdrs.AUTHORIZATION)
    if header is None and (answer := await _without_key(request, raw)):
        return answer
    key = await services.keys.authorize(header)
    body = read_object(raw)
    name = body.get("action")
    if name is None or name == "":
        raise ApiError(400, "Missing action")
    action = ACTIONS.get(name) if isinstance(name, str) else None
    if action is None:
        raise ApiError(400, "Unknown action")
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
    forwarded = request.headers.get(FORWARDED, "")
    address = address_of(request.remote, forwarded, services.proxies)
    return json_response(await action(Visit(services, address, body)))


async def healthz(request: web.Request) -> web.Response:
    return json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    health = request.app[SERVICES].health
    parts = await health.check()
    told = {"version": __version__, "parts": parts, "warnings": health.warnings()}
    return json_response(told, status=200 if is_ready(parts) else 503)


async def metrics_page(request: web.Request) -> web.Response:
    return await metrics.page(request.app[SERVICES].metrics)


async def files(request: web.Request) -> web.StreamResponse:
    """The local folder's pictures; an S3 bucket serves its own."""
    storage = request.app[SERVICES].storage
    if not isinstance(storage, LocalStorage):
        raise ApiError(404, "Not found")
    return await serve_file(storage, request)


# To come in this table: the playground (/), /docs, /openapi.json, /llm-docs and /llms.txt,
# /api/v2/jobs/{id}/events, /v1/images/generations.
ROUTES = [
    web.post("/api/v2", api),
    web.get("/files/{key:.+}", files),
    web.get("/healthz", healthz),
    web.get("/readyz", readyz),
    web.get("/metrics", metrics_page),
]


def build_app(settings: Settings, draw_with: OpenInference = open_inference) -> web.Application:
    app = web.Application(
        client_max_size=settings.max_body_mb * 1024 * 1024, middlewares=[middleware(settings.cors_origins)]
    )
    app[BODY_TIMEOUT_S] = settings.body_timeout_s
    app.add_routes(ROUTES)

    async def services(app: web.Application) -> AsyncIterator[None]:
        async with open_services(settings, draw_with) as opened:
            app[SERVICES] = opened
            yield

    app.cleanup_ctx.append(services)
    return app
