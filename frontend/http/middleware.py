"""What surrounds every answer: request id, security headers, CORS, one way of rendering errors, counting."""

import logging
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Set
from dataclasses import replace
from typing import Any

import msgspec
from aiohttp import HttpVersion11, hdrs, web
from aiohttp.typedefs import Middleware
from multidict import CIMultiDict, istr

from frontend.common.errors import ApiError
from frontend.common.trace_context import TraceContext, read_traceparent
from frontend.common.tracer import NO_TRACER, TRACEPARENT, Span, Tracer, spanning
from frontend.common.work_context import WorkContext, enter_work, leave_work
from frontend.http import metrics
from frontend.http.json_response import JsonResponse
from frontend.http.openai_error import PREFIX as OPENAI_PATHS
from frontend.http.openai_error import openai_error
from frontend.http.quotas import tell_quotas

log = logging.getLogger(__name__)
# aiohttp compares names of this type without looking at their letters.
REQUEST_ID = istr("X-Request-ID")
TRACEPARENT_HEADER = istr(TRACEPARENT)
# Nothing that is answered here is a page, nor has anybody's page a use for it in a frame.
_SECURITY = {
    hdrs.SERVER: "imgen",
    istr("X-Content-Type-Options"): "nosniff",
    istr("Content-Security-Policy"): "default-src 'none'; frame-ancestors 'none'",
    istr("Referrer-Policy"): "no-referrer",
}
JSON_TYPE = "application/json; charset=utf-8"
_JSON = CIMultiDict({hdrs.CONTENT_TYPE: JSON_TYPE, hdrs.CACHE_CONTROL: "no-store", **_SECURITY})
encode = msgspec.json.Encoder().encode
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_WORDS = {404: "Not found", 405: "Method not allowed"}
_ALLOW_ORIGIN, _EXPOSE = hdrs.ACCESS_CONTROL_ALLOW_ORIGIN, hdrs.ACCESS_CONTROL_EXPOSE_HEADERS
_EXPOSED = (
    "X-Request-ID, Retry-After, x-should-retry, RateLimit, RateLimit-Policy, Preference-Applied, ETag, "
    "Content-Disposition, Content-Range, Accept-Ranges"
)
_HEADER_NAMES = re.compile(r"[A-Za-z0-9-]+(?: ?, ?[A-Za-z0-9-]+){0,50}")
_ALLOWED = (
    "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Prefer, Range, X-Request-ID"
)
_ALLOWED_OPENAI = (
    f"{_ALLOWED}, OpenAI-Organization, OpenAI-Project, X-Stainless-Arch, X-Stainless-Lang, X-Stainless-OS, "
    "X-Stainless-Package-Version, X-Stainless-Retry-Count, X-Stainless-Runtime, "
    "X-Stainless-Runtime-Version, X-Stainless-Timeout"
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def json_response(
    data: msgspec.Struct | Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    response = JsonResponse(body=encode(data), status=status, headers=_JSON)
    if headers:
        response.headers.update(headers)
    return response


def error_response(error: ApiError, path: str = "") -> web.Response:
    """`path`: of the request, which decides the form; "": none was read."""
    if path.startswith(OPENAI_PATHS):
        return json_response(openai_error(error), error.status, error.headers)
    more = {"detail": error.detail} if error.detail else {}
    return json_response({"error": error.message, **more}, error.status, error.headers)


def middleware(
    cors_origins: Iterable[str], not_for_browsers: Iterable[str] = (), tracer: Tracer = NO_TRACER
) -> Middleware:
    """`not_for_browsers`: paths that no page of another origin may read; they are not traced either."""
    origins, closed = frozenset(cors_origins), frozenset(not_for_browsers)

    @web.middleware
    async def around(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.perf_counter()
        request_id = _request_id(request)
        asked = read_traceparent(request.headers.get(TRACEPARENT_HEADER))
        work = enter_work(WorkContext(request=request_id, trace=_untold(asked)))
        try:
            _check_framing(request)
            traced = None if request.path in closed else _begin_span(tracer, request, asked)
            with spanning(traced):
                response = _preflight(request, closed, origins) or await handler(request)
                if traced:
                    traced.note({"http.response.status_code": response.status})
        except Exception as error:
            response = _render(error, request_id, request.path)
        finally:
            leave_work(work)
        if not response.prepared:
            tell_quotas(request, response)
            if request.path not in closed:
                _allow_origin(request, response, origins)
            finish_headers(response, request_id)
        metrics.observe(request, response.status, time.perf_counter() - began)
        return response

    return around


def _untold(asked: TraceContext | None) -> TraceContext | None:
    """As long as nobody has decided to trace the request: its id is for logs alone."""
    return replace(asked, sampled=False) if asked else None


def _begin_span(tracer: Tracer, request: web.Request, asked: TraceContext | None) -> Span | None:
    if tracer is NO_TRACER:
        return None
    route = metrics.route_of(request)
    attributes = {"http.request.method": request.method[:16], "http.route": route}
    return tracer.begin(f"{request.method[:16]} {route}", asked, attributes)


def _request_id(request: web.Request) -> str:
    given = request.headers.get(REQUEST_ID)
    return given if given and _SANE_ID.fullmatch(given) else new_request_id()


def new_request_id() -> str:
    return f"{random.getrandbits(64):016x}"


def finish_headers(response: web.StreamResponse, request_id: str) -> None:
    """What every answer carries. A route's own security headers stay."""
    headers = response.headers
    headers[REQUEST_ID] = request_id
    if hdrs.SERVER not in headers:
        for name, value in _SECURITY.items():
            headers.setdefault(name, value)


def _check_framing(request: web.Request) -> None:
    """HTTP/1.0 knows no chunks: a proxy may take them for the next request. Raises ApiError 400."""
    if request.version < HttpVersion11 and hdrs.TRANSFER_ENCODING in request.headers:
        raise ApiError(400, "Bad request", {"Connection": "close"})


def _render(error: Exception, request_id: str, path: str) -> web.Response:
    match error:
        case ApiError():
            metrics.count_refusal(error)
            return error_response(error, path)
        case web.HTTPException():
            headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
            words = _WORDS.get(error.status, error.reason)
            return error_response(ApiError(error.status, words, headers), path)
    log.error("request %s failed", request_id, exc_info=error)
    if path.startswith(OPENAI_PATHS):
        return error_response(ApiError(500, "Internal error"), path)
    return json_response({"error": "Internal error", "request_id": request_id}, 500)


def _preflight(request: web.Request, closed: Set[str], origins: frozenset[str]) -> web.Response | None:
    if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers:
        return None
    if request.path in closed:
        return None
    return web.Response(
        status=204,
        headers={
            "Access-Control-Allow-Methods": "GET, HEAD, POST, OPTIONS",
            "Access-Control-Allow-Headers": _allowed_headers(request, asked="*" in origins),
            "Access-Control-Max-Age": "86400",
        },
    )


def _allowed_headers(request: web.Request, *, asked: bool) -> str:
    """All that are `asked` for, where any page may ask: monitoring in a page adds its own to every call."""
    names = request.headers.get("Access-Control-Request-Headers", "")
    if asked and _HEADER_NAMES.fullmatch(names):
        return names
    return _ALLOWED_OPENAI if request.path.startswith(OPENAI_PATHS) else _ALLOWED


def _allow_origin(request: web.Request, response: web.StreamResponse, origins: frozenset[str]) -> None:
    """No credentials mode: the key travels in a header that only the page's own code can set."""
    headers = response.headers
    if "*" in origins:  # also where no origin is named: a cache may keep this answer for those that name one
        headers[_ALLOW_ORIGIN] = "*"
        headers[_EXPOSE] = _EXPOSED
        return
    headers.add(hdrs.VARY, hdrs.ORIGIN)
    origin = request.headers.get(hdrs.ORIGIN)
    if origin in origins:
        headers[_ALLOW_ORIGIN] = origin
        headers[_EXPOSE] = _EXPOSED
