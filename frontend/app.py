"""The way in for a reader: what the server is built of, and what it answers.

Services are built once (services.py). Every route is in `ROUTES`, every action in actions/__init__.py.
"""

from collections.abc import AsyncIterator

from aiohttp import web

from frontend.actions.api import api
from frontend.actions.context import SERVICES, Services
from frontend.actions.files import files
from frontend.http import metrics
from frontend.http.body import go_on_later
from frontend.http.middleware import json_response, middleware
from frontend.services import OpenInference, open_inference, open_services
from frontend.settings import Settings


async def healthz(request: web.Request) -> web.Response:
    return json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    health = request.app[SERVICES].health
    found = await health.check()
    told = {
        "version": health.version,
        "parts": found.parts,
        "reasons": found.reasons,
        "warnings": health.warnings(),
    }
    return json_response(told, status=200 if found.complete else 503)


async def metrics_page(request: web.Request) -> web.Response:
    return await metrics.page(request.app[SERVICES].metrics)


# To come in this table: the playground (/), /docs, /openapi.json, /llm-docs and /llms.txt,
# /api/v2/jobs/{id}/events, /v1/images/generations.
ROUTES = [
    web.post("/api/v2", api, expect_handler=go_on_later),
    web.post("/api/v2/", api, expect_handler=go_on_later),
    web.get("/files/{key:.+}", files),
    web.get("/healthz", healthz),
]
# For operators: at an address of their own where they name one, else beside the others; never for browsers.
OPERATORS_ROUTES = [web.get("/readyz", readyz), web.get("/metrics", metrics_page)]


def build_app(settings: Settings, draw_with: OpenInference = open_inference) -> web.Application:
    app = web.Application(
        client_max_size=settings.max_body_mb * 1024 * 1024,
        middlewares=[middleware(settings.cors_origins, [route.path for route in OPERATORS_ROUTES])],
    )
    app.add_routes(ROUTES if settings.operators_address else [*ROUTES, *OPERATORS_ROUTES])

    async def services(app: web.Application) -> AsyncIterator[None]:
        async with open_services(settings, draw_with) as opened:
            app[SERVICES] = opened
            yield

    app.cleanup_ctx.append(services)
    return app


def build_operators_app(services: Services) -> web.Application:
    """Of the same process, for a listener of its own."""
    app = web.Application(middlewares=[middleware((), [route.path for route in OPERATORS_ROUTES])])
    app[SERVICES] = services
    app.add_routes(OPERATORS_ROUTES)
    return app
