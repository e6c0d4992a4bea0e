"""The reviewer as an HTTP service. Routes and middlewares are listed in `make_app`."""

import asyncio
import hashlib
import hmac
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec
from aiohttp import web
from aiohttp.typedefs import Middleware
from yarl import URL

from acs.decode import decode
from acs.detections import Detector
from acs.failure import Failure
from acs.fetch import AllowedPrefix, Fetcher, picture_session
from acs.minors import MinorsRule, minors_rule
from acs.openapi import document
from acs.page import render
from acs.review import judge
from acs.ruleset import FOLDER, Ruleset, load_rulesets
from acs.wordlist import load_all
from contract.acs import (
    REVIEWS_PATH,
    RULESETS_PATH,
    VERSION_HEADER,
    Category,
    ListedRuleset,
    Review,
    ReviewRequest,
    RulesetList,
)

MAX_BODY_BYTES = 2 << 20  # every field at its longest, as escaped JSON
MAX_WORDS = 300  # characters of what is wrong with an order: they may repeat its value
MAX_OPEN = 64  # reviews at the same time; the detector works on one

log = logging.getLogger("acs")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
HEALTH_PATHS = ("/healthz", "/readyz")


@dataclass(frozen=True, kw_only=True)
class ReviewerConfig:
    """Raises ValueError for a prefix that is none, DataError for a mistake in a ruleset."""

    rulesets: Path = FOLDER
    fetch_allow: tuple[str, ...] = ()  # URL prefixes; none: every picture is refused
    key: str = ""  # bearer key of those who may ask; empty: whoever gets here
    detector: str = ""  # name and version of it and of what runs it: part of each ruleset's version


@dataclass(frozen=True, kw_only=True)
class ReviewerServices:
    rulesets: Mapping[str, Ruleset]
    protection: MinorsRule
    fetcher: Fetcher
    detector: Detector
    pool: ThreadPoolExecutor  # one thread: decoding, detecting, judging
    free: asyncio.Semaphore


SERVICES = web.AppKey("services", ReviewerServices)


def make_app(config: ReviewerConfig, load_detector: Callable[[], Detector]) -> web.Application:
    wordlists = load_all()
    rulesets = load_rulesets(config.rulesets, wordlists, config.detector)
    allowed = tuple(AllowedPrefix(URL(prefix)) for prefix in config.fetch_allow)

    async def services(app: web.Application) -> AsyncIterator[None]:
        """Nothing listens before the detector is loaded and warm."""
        with ThreadPoolExecutor(1, thread_name_prefix="detector") as pool:
            async with picture_session() as session:
                app[SERVICES] = ReviewerServices(
                    rulesets=rulesets,
                    protection=minors_rule(wordlists),
                    fetcher=Fetcher(session, allowed),
                    detector=await asyncio.get_running_loop().run_in_executor(pool, load_detector),
                    pool=pool,
                    free=asyncio.Semaphore(MAX_OPEN),
                )
                yield

    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_answer_failures, _demand(config.key)])
    app.cleanup_ctx.append(services)
    app.add_routes(
        [
            web.post(REVIEWS_PATH, post_review),
            web.get(RULESETS_PATH, get_rulesets),
            web.get("/healthz", get_health),
            web.get("/readyz", get_ready),
            web.get("/openapi.json", get_openapi),
            web.get("/docs", get_docs),
        ]
    )
    return app


@web.middleware
async def _answer_failures(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except Failure as failure:
        log.warning("no verdict: %s", failure.message)
        return _json({"error": failure.message}, failure.status)
    except web.HTTPException as error:
        return _json({"error": error.reason}, error.status)
    except Exception:
        log.exception("review failed")
        return _json({"error": "Internal error"}, 500)


def _demand(key: str) -> Middleware:
    """Before anything is read of a request, but for whether this service lives."""
    expected = f"Bearer {key}".encode()

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        sent = request.headers.get("Authorization", "").encode(errors="surrogateescape")
        if key and request.path not in HEALTH_PATHS and not hmac.compare_digest(sent, expected):
            raise Failure(401, "Unauthorized")
        return await handler(request)

    return check


def _json(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    encoded = msgspec.json.encode(body)
    return web.Response(body=encoded, status=status, content_type="application/json", headers=headers)


async def post_review(request: web.Request) -> web.Response:
    services = request.app[SERVICES]
    order = _order(await request.read())
    ruleset = services.rulesets.get(order.ruleset)
    if ruleset is None:
        raise Failure(422, "Unknown ruleset")
    if services.free.locked():
        raise Failure(503, "Too many reviews at the same time")
    started = time.monotonic()
    async with services.free:
        review = await _review(services, order, ruleset)
    log.info(
        "gen_id=%s model=%s ruleset=%s compliance=%s codes=%s ms=%.0f",
        order.gen_id,
        order.model,
        ruleset.name,
        review.compliance,
        ",".join(review.codes),
        (time.monotonic() - started) * 1000,
    )
    return _json(review, headers={VERSION_HEADER: ruleset.version})


def _order(body: bytes) -> ReviewRequest:
    try:
        return msgspec.json.decode(body, type=ReviewRequest)
    except msgspec.ValidationError as error:
        raise Failure(422, str(error)[:MAX_WORDS]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Failure(400, "Invalid JSON") from None


async def _review(services: ReviewerServices, order: ReviewRequest, ruleset: Ruleset) -> Review:
    data = await services.fetcher.fetch(order.image_url)
    if len(data) != order.bytes or hashlib.sha256(data).hexdigest() != order.sha256:
        raise Failure(422, "The picture is not the one of the order: another size or SHA-256")

    def look_and_judge() -> Review:
        return judge(order, ruleset, services.protection, services.detector(decode(data)))

    return await asyncio.get_running_loop().run_in_executor(services.pool, look_and_judge)


async def get_rulesets(request: web.Request) -> web.Response:
    return _json(RulesetList(rulesets=tuple(map(_listed, request.app[SERVICES].rulesets.values()))))


def _listed(ruleset: Ruleset) -> ListedRuleset:
    return ListedRuleset(
        name=ruleset.name,
        version=ruleset.version,
        description=ruleset.description,
        categories=tuple(Category(id=item.id, name=item.name) for item in ruleset.categories),
    )


async def get_health(request: web.Request) -> web.Response:
    return _json({"status": "ok"})


async def get_ready(request: web.Request) -> web.Response:
    """Answered only once the detector is loaded: before, nothing listens."""
    return _json({"status": "ready", "rulesets": sorted(request.app[SERVICES].rulesets)})


async def get_openapi(request: web.Request) -> web.Response:
    return _json(document())


async def get_docs(request: web.Request) -> web.Response:
    policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return web.Response(text=render(document()), content_type="text/html", headers=policy)
