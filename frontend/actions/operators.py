"""`GET /healthz`, `/readyz` and `/metrics`: what those who run a server ask it."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta

from frontend.actions.context import OPERATED
from frontend.http import metrics
from frontend.http.middleware import json_response


class HealthzAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """This process answers."""

    status: Annotated[str, Meta(description="Always the same", examples=["ok"])] = "ok"


class ReadyzAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Which parts of the system work."""

    version: Annotated[str, Meta(description="Of this program", examples=["1.0.0"])]
    parts: Annotated[
        Mapping[str, bool], Meta(description="Whether each works", examples=[{"redis": True, "acs": True}])
    ]
    reasons: Annotated[
        Mapping[str, str],
        Meta(description="Of parts that do not, where more is known", examples=[{"acs": "does not answer"}]),
    ]
    warnings: Annotated[Sequence[str], Meta(description="What works, and will not for long", examples=[[]])]
    runtimes: Annotated[
        Mapping[str, Sequence[str]],
        Meta(
            description="What computes each network", examples=[{"eros-denoiser": ["openvino 2026.4.1 bf16"]}]
        ),
    ]


async def healthz(request: web.Request) -> web.Response:
    return json_response(HealthzAnswer())


async def readyz(request: web.Request) -> web.Response:
    health = request.app[OPERATED].health
    found = await health.check()
    told = ReadyzAnswer(
        version=health.version,
        parts=found.parts,
        reasons=found.reasons,
        warnings=health.warnings(),
        runtimes=health.runtimes(),
    )
    return json_response(told, status=200 if found.complete else 503)


async def metrics_page(request: web.Request) -> web.Response:
    return await metrics.page(request.app[OPERATED].metrics)
