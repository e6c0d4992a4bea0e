"""Every service of the server, built once and closed in one place."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from frontend.catalogue import LiveCatalogue
from frontend.enhance import Enhancer
from frontend.finishing.finish import Finisher
from frontend.inference import Inference
from frontend.jobs.reviews import Reviews
from frontend.jobs.store import JobStore
from frontend.jobs.worker import Workers, Workshop
from frontend.keys import Keys
from frontend.links import Links
from frontend.random_prompt import Grammar
from frontend.review import Reviewer
from frontend.settings import SettingError, Settings
from frontend.storage import Storage, open_storage


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
    inference: Inference
    workers: Workers
    gate: Gate


def connect(settings: Settings) -> "Redis":
    """A client that reconnects by itself; scripts are written so that asking twice does no harm."""
    retry = Retry(ExponentialBackoff(cap=0.5, base=0.05), 3)
    return Redis.from_url(
        settings.redis_url,
        retry=retry,
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
        socket_timeout=10,
        socket_connect_timeout=3,
        health_check_interval=30,
        protocol=2,
    )


@contextlib.asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    for name in ("redis_url", "triton_urls", "acs_url"):
        if not getattr(settings, name):
            raise SettingError(f"IMGEN_{name.upper()} is not set (or run `imgen up`, which starts the parts itself)")
    async with contextlib.AsyncExitStack() as stack:
        redis = connect(settings)
        stack.push_async_callback(redis.aclose)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        storage = await stack.enter_async_context(open_storage(settings))
        catalogue = await stack.enter_async_context(LiveCatalogue.watching(settings.catalogue_dir))
        finisher = await stack.enter_async_context(Finisher.opened(settings))
        inference = await stack.enter_async_context(Inference.opened(settings))
        jobs, links = JobStore(redis, settings), Links(storage)
        await jobs.prepare()
        reviewer = Reviewer(http, settings)
        reviews = Reviews(redis, jobs, links, reviewer, settings)
        stack.push_async_callback(reviews.close)
        workers = Workers(Workshop(jobs, inference, finisher, storage), settings)
        stack.push_async_callback(workers.stop)
        workers.start()
        yield Services(
            settings=settings,
            redis=redis,
            keys=Keys(redis),
            catalogue=catalogue,
            grammar=Grammar.load(settings.catalogue_dir),
            jobs=jobs,
            storage=storage,
            links=links,
            reviewer=reviewer,
            reviews=reviews,
            enhancer=Enhancer(http, settings),
            inference=inference,
            workers=workers,
            gate=Gate(),
        )
