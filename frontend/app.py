"""The way in for a reader: what the server is built of, and what it answers.

Services are built once (services.py). Every route is in routes.py, every action in actions/__init__.py.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable

from aiohttp import web

from frontend.actions.context import OPERATED, SERVICES, Operated
from frontend.common.open_tracer import open_tracer
from frontend.description.documents import documents
from frontend.drawing import OpenInference, open_inference, open_worker_services
from frontend.http.document import DOCUMENTS
from frontend.http.middleware import middleware
from frontend.http.route import Route
from frontend.routes import OPERATORS_ROUTES, ROUTES, WORKER_ROUTES
from frontend.services import open_services
from frontend.settings import Settings

_OPERATORS_PATHS = [route.path for route in OPERATORS_ROUTES]
_WORKER_PATHS = [route.path for route in WORKER_ROUTES]


def build_app(settings: Settings, draw_with: OpenInference = open_inference) -> web.Application:
    """Raises SettingError."""
    tracer = open_tracer(settings.otlp_url, settings.trace_share)
    app = web.Application(
        client_max_size=settings.max_body_mb * 1024 * 1024,
        middlewares=[middleware(settings.cors_origins, _OPERATORS_PATHS, tracer)],
    )
    routes = ROUTES if settings.operators_address else (*ROUTES, *OPERATORS_ROUTES)
    app.add_routes(_definitions(routes))
    app[DOCUMENTS] = documents(routes)

    async def services(app: web.Application) -> AsyncIterator[None]:
        try:
            async with open_services(settings, draw_with, tracer) as opened:
                app[SERVICES] = app[OPERATED] = opened
                yield
        finally:
            await asyncio.to_thread(tracer.close)

    async def end_waits(app: web.Application) -> None:
        app[SERVICES].watch.close()

    app.cleanup_ctx.append(services)
    app.on_shutdown.append(end_waits)
    return app


def build_operators_app(services: Operated) -> web.Application:
    """Of the same process, for a listener of its own."""
    app = web.Application(middlewares=[middleware((), _OPERATORS_PATHS)])
    app[OPERATED] = services
    app.add_routes(_definitions(OPERATORS_ROUTES))
    return app


def build_worker_app(settings: Settings, draw_with: OpenInference = open_inference) -> web.Application:
    """Of a process that draws: nobody but operators is answered. Raises SettingError."""
    tracer = open_tracer(settings.otlp_url, settings.trace_share)
    app = web.Application(middlewares=[middleware((), _WORKER_PATHS)])
    app.add_routes(_definitions(WORKER_ROUTES))

    async def services(app: web.Application) -> AsyncIterator[None]:
        try:
            async with open_worker_services(settings, draw_with, tracer) as opened:
                app[OPERATED] = opened
                yield
        finally:
            await asyncio.to_thread(tracer.close)

    app.cleanup_ctx.append(services)
    return app


def _definitions(routes: Iterable[Route]) -> list[web.RouteDef]:
    return [route.definition for route in routes]
