"""Every service of the server, built once and closed in one place."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

import aiohttp
from redis.asyncio import Redis

from frontend.cache.cache import Cache
from frontend.cache.encoder import Infers, PromptEncoder
from frontend.cache.open_cache import open_cache
from frontend.cache.rulesets import Rulesets
from frontend.catalogue.live_catalogue import LiveCatalogue
from frontend.common.redis_connection import connect
from frontend.common.supervised import in_background
from frontend.finishing.certificate import Certificate
from frontend.finishing.finish import Finisher
from frontend.inference.client import Inference
from frontend.invisible_mark.agreement import agreed_mark_keys
from frontend.invisible_mark.keys import MarkKeys
from frontend.jobs.store import JobStore
from frontend.jobs.worker import TextToImage, Workers, Workshop
from frontend.keys.api_keys import Keys
from frontend.prompts.enhancer import Enhancer
from frontend.prompts.random_prompt import Grammar, load_grammar
from frontend.review.links import Links
from frontend.review.reviewer import Reviewer
from frontend.review.reviews import Reviews
from frontend.settings import SettingError, Settings, catalogue_folders
from frontend.storage import Storage, open_storage
from frontend.verification.service import Checks, open_checks

MARKS_AT_A_TIME = 2


@dataclass
class Gate:
    """Whether new work is still let in; closed while the server drains."""

    closed: bool = False


@dataclass(frozen=True)
class Services:
    settings: Settings
    redis: "Redis"
    keys: Keys
    catalogue: LiveCatalogue
    grammar: Grammar
    jobs: JobStore
    storage: Storage
    links: Links
    reviewer: Reviewer
    reviews: Reviews
    enhancer: Enhancer
    inference: TextToImage
    certificate: Certificate  # of the content credentials
    workers: Workers
    gate: Gate
    mark_keys: MarkKeys
    mark_room: asyncio.Semaphore  # how many watermarks are decoded at a time
    checks: Checks
    cache: Cache


@contextlib.asynccontextmanager
async def open_inference(settings: Settings) -> AsyncIterator[Inference]:
    inference = Inference(settings.triton_urls, timeout_s=settings.triton_timeout_s)
    try:
        yield inference
    finally:
        await inference.close()


class Networks(TextToImage, Infers, Protocol):
    """What Triton does for this server: pictures, and the prompt encoder's vectors."""


OpenInference = Callable[[Settings], AbstractAsyncContextManager[Networks]]


@contextlib.asynccontextmanager
async def open_services(
    settings: Settings, draw_with: OpenInference = open_inference
) -> AsyncIterator[Services]:
    """The services of one process, from opening to closing. Raises SettingError and CatalogueError."""
    for name in ("redis_url", "triton_urls", "acs_url"):
        if not getattr(settings, name):
            raise SettingError(
                f"IMGEN_{name.upper()} is not set (or run `imgen up`, which starts the parts itself)"
            )
    async with contextlib.AsyncExitStack() as stack:
        redis = connect(settings)
        stack.push_async_callback(redis.aclose)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        storage = await stack.enter_async_context(open_storage(settings))
        catalogue = await asyncio.to_thread(LiveCatalogue, *catalogue_folders(settings))
        await stack.enter_async_context(in_background(catalogue.watch()))
        mark_keys = await agreed_mark_keys(redis, settings)
        finisher = await stack.enter_async_context(Finisher.opened(settings, mark_keys))
        checks = await stack.enter_async_context(
            open_checks(settings, redis, mark_keys.reading, finisher.certificate)
        )
        inference = await stack.enter_async_context(draw_with(settings))
        jobs, links = JobStore(redis, settings), Links(storage)
        await jobs.prepare()
        reviewer = Reviewer(settings, http)
        cache = await stack.enter_async_context(
            open_cache(settings, redis, PromptEncoder(inference, settings), storage)
        )
        await stack.enter_async_context(in_background(Rulesets(redis, http, settings).watch()))
        reviews = Reviews(redis, jobs, links, reviewer, cache, settings)
        stack.push_async_callback(reviews.close)
        workers = Workers(Workshop(jobs, inference, finisher, storage), settings)
        stack.push_async_callback(workers.stop)
        workers.start()
        yield Services(
            settings=settings,
            redis=redis,
            keys=Keys(redis),
            catalogue=catalogue,
            grammar=load_grammar(settings.catalogue_dir / "random.yaml"),
            jobs=jobs,
            storage=storage,
            links=links,
            reviewer=reviewer,
            reviews=reviews,
            enhancer=Enhancer(http, settings),
            inference=inference,
            certificate=finisher.certificate,
            workers=workers,
            gate=Gate(),
            mark_keys=mark_keys,
            mark_room=asyncio.Semaphore(MARKS_AT_A_TIME),
            checks=checks,
            cache=cache,
        )
