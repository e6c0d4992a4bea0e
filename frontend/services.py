"""Every service of the server, built once and closed in one place."""

import asyncio
import contextlib
import datetime
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Protocol

from redis.asyncio import Redis

from frontend.actions.context import Gate, Services
from frontend.cache import metrics as cache_metrics
from frontend.cache.cache import Cache
from frontend.cache.encoder import Infers, PromptEncoder
from frontend.cache.open_cache import open_cache
from frontend.cache.rulesets import Rulesets
from frontend.catalogue.live_catalogue import LiveCatalogue
from frontend.cells.cells import Cells
from frontend.cells.limits import CellLimits
from frontend.common.errors import SettingError
from frontend.common.fair_limiter import FairLimiter
from frontend.common.probe import WRITE_FRESH_S, NotReady, Probe
from frontend.common.redis_connection import connect, connect_to_probe
from frontend.common.redis_probe import check_redis
from frontend.common.supervised import in_background
from frontend.common.version import __version__
from frontend.domain.job import CredentialTexts
from frontend.finishing import metrics as certificate_metrics
from frontend.finishing.certificate import Certificate
from frontend.finishing.finish import Finisher
from frontend.finishing.wm_image import read_mark
from frontend.http.body import BodyReader
from frontend.http.body_parser import BodyParser
from frontend.http.byte_budget import ByteBudget
from frontend.http.health import Health
from frontend.http.rate_limit import AnonymousRateLimiter
from frontend.inference.client import Inference
from frontend.inference.stock import StockWatch, TellsInventory
from frontend.inference.tls import triton_tls
from frontend.invisible_mark.agreement import agree_on_keys
from frontend.jobs import metrics as job_metrics
from frontend.jobs.memory import RedisMemory
from frontend.jobs.picture_store import PictureStore
from frontend.jobs.store import JobStore
from frontend.jobs.worker import TextToImage, WorkerContext, Workers
from frontend.keys.api_keys import Keys
from frontend.keys.rates import Rates, rates_of
from frontend.net.client_origin import ClientOrigins
from frontend.net.http_endpoint import HttpService, open_http_service
from frontend.net.networks import networks
from frontend.net.plain_text import plain_text_warnings
from frontend.net.public_url import only_local, public_url
from frontend.prompts.built_in_grammar import open_grammar
from frontend.prompts.enhancer import Enhancer
from frontend.review.links import Links
from frontend.review.reviewer import Reviewer
from frontend.review.reviews import Reviews
from frontend.settings import Settings, catalogue_folders
from frontend.storage import Storage, open_storage
from frontend.verification.decode import read_picture
from frontend.verification.manifest_report import read_manifest
from frontend.verification.service import open_verification

log = logging.getLogger(__name__)
WATERMARKS_AT_A_TIME = 2
FOREIGN_BYTES = (read_mark, read_picture, read_manifest)  # what is done in cells
CELLS = 3  # one more than `verify` can hold
# The largest pictures that are let in take about two thirds of the processor's time and of the memory.
CELL_LIMITS = CellLimits(cpu_s=1.8, wall_s=10.0, memory_bytes=640 << 20)


@contextlib.asynccontextmanager
async def open_inference(settings: Settings) -> AsyncIterator[Inference]:
    inference = Inference(
        settings.triton_urls,
        timeout_s=settings.triton_timeout_s,
        tls=triton_tls(settings.triton_ca, settings.triton_certificate, settings.triton_key),
    )
    try:
        yield inference
    finally:
        await inference.close()


class TritonModels(TextToImage, Infers, TellsInventory, Protocol):
    """What Triton does for this server: pictures, the prompt encoder's vectors, what it has weights of."""


OpenInference = Callable[[Settings], AbstractAsyncContextManager[TritonModels]]


@contextlib.asynccontextmanager
async def open_services(
    settings: Settings, draw_with: OpenInference = open_inference
) -> AsyncIterator[Services]:
    """The services of one process, from opening to closing.

    Raises SettingError, CatalogueError, and RedisError where Redis does not answer.
    """
    _check_urls(settings)
    for words in [*filter(None, [only_local(settings)]), *plain_text_warnings(settings)]:
        log.warning("%s", words)
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        prober = await enter(contextlib.aclosing(connect_to_probe(settings.redis_url)))
        await prober.ping()
        redis = await enter(contextlib.aclosing(connect(settings.redis_url)))
        cells = await enter(Cells.open(FOREIGN_BYTES, CELL_LIMITS, CELLS))
        acs = await enter(
            open_http_service("acs", settings.acs_url, key=settings.acs_key, ca=settings.acs_ca)
        )
        llm = await enter(open_http_service("llm", settings.llm_url))
        storage = await enter(open_storage(settings, public_url(settings)))
        catalogue = await enter(_open_catalogue(settings))
        mark_keys = await agree_on_keys(redis, settings.mark_key, settings.data_dir)
        finisher = await enter(Finisher.open(settings, mark_keys))
        certificate = finisher.certificate
        verification = await enter(
            open_verification(
                redis,
                mark_keys.reading,
                certificate.chain,
                settings.private_networks,
                settings.fetch_timeout_s,
                cells,
            )
        )
        inference = await enter(draw_with(settings))
        await enter(_keep_to_stock(inference, catalogue))
        jobs, links = JobStore(redis, settings), Links(storage)
        await jobs.prepare()
        memory = await enter(_open_memory(redis))
        reviewer = Reviewer(acs.url, settings.acs_timeout_s, acs.session)
        cache = await enter(_open_cache(settings, redis, inference, storage, acs))
        reviews = Reviews(
            redis,
            jobs,
            links,
            reviewer,
            cache,
            lambda character, recorded: catalogue.declared.depicts(character, recorded),
            settings.acs_timeout_s,
        )
        stack.push_async_callback(reviews.close)
        storing = Probe(storage.check, WRITE_FRESH_S)
        await _warn_of(storing)
        pictures = PictureStore(storage, storing)
        workers = await enter(_open_workers(WorkerContext(jobs, inference, finisher, pictures), settings))
        bodies = await enter(BodyParser.open())
        enhancer, gate = _enhancer(settings, llm), Gate()
        probes = _probes(prober, inference, storing, reviewer, enhancer)
        proxies = networks("trusted_proxies", settings.trusted_proxies)
        origins = ClientOrigins(settings, proxies)
        max_body, budget = settings.max_body_mb << 20, settings.body_budget_mb << 20
        yield Services(
            max_body_bytes=max_body,
            default_texts=_default_texts(settings),
            keys=Keys(redis),
            rates=Rates(redis, rates_of(settings)),
            catalogue=catalogue,
            grammar=open_grammar(settings.catalogue_dir / "random.yaml"),
            enhancer=enhancer,
            cache=cache,
            jobs=jobs,
            memory=memory,
            reviews=reviews,
            links=links,
            storage=storage,
            gate=gate,
            cells=cells,
            # As many may wait as there are connections: keys take turns.
            decoding=FairLimiter(
                WATERMARKS_AT_A_TIME, waiting_each=settings.max_connections, waiting=settings.max_connections
            ),
            verification=verification,
            bodies=bodies,
            body_budget=ByteBudget(budget, share=max(budget // 4, max_body)),
            anonymous_body_budget=ByteBudget(max(budget // 8, max_body), share=max_body),
            body_reader=BodyReader(settings.body_timeout_s),
            anonymous=AnonymousRateLimiter(settings.verify_per_minute),
            proxies=proxies,
            origins=origins,
            health=_health(probes, workers, cache, gate, certificate, catalogue, memory, origins),
            metrics=_metrics(redis, cache, certificate),
        )


@contextlib.asynccontextmanager
async def _open_catalogue(settings: Settings) -> AsyncIterator[LiveCatalogue]:
    catalogue = await asyncio.to_thread(LiveCatalogue, *catalogue_folders(settings))
    async with in_background(catalogue.watch()):
        yield catalogue


@contextlib.asynccontextmanager
async def _keep_to_stock(inference: TellsInventory, catalogue: LiveCatalogue) -> AsyncIterator[None]:
    stock = StockWatch(inference, catalogue)
    await stock.look()
    async with in_background(stock.watch()):
        yield


@contextlib.asynccontextmanager
async def _open_memory(redis: "Redis") -> AsyncIterator[RedisMemory]:
    memory = RedisMemory(redis)
    await memory.look()
    async with in_background(memory.watch()):
        yield memory


@contextlib.asynccontextmanager
async def _open_cache(
    settings: Settings, redis: "Redis", inference: Infers, storage: Storage, acs: HttpService
) -> AsyncIterator[Cache]:
    """It asks ACS for the versions of its rulesets, too: what an older one let through is judged anew."""
    encoder = PromptEncoder(inference, settings.cache_encoder, settings.cache_encoder_timeout_ms)
    async with (
        open_cache(settings, redis, encoder, storage.exists) as cache,
        in_background(Rulesets(redis, acs.session, acs.url).watch()),
    ):
        yield cache


@contextlib.asynccontextmanager
async def _open_workers(context: WorkerContext, settings: Settings) -> AsyncIterator[Workers]:
    workers = Workers(context, settings)
    try:
        workers.start()
        yield workers
    finally:
        await workers.stop()


async def _warn_of(storing: Probe) -> None:
    """At the start: a store that is away may come, and wrong settings do not mend themselves."""
    try:
        await storing.check()
    except NotReady as error:
        log.warning("no picture can be stored: %s", error)


def _probes(
    prober: "Redis", inference: TritonModels, storing: Probe, reviewer: Reviewer, enhancer: Enhancer
) -> Mapping[str, Probe]:
    return {
        "redis": Probe(partial(check_redis, prober), WRITE_FRESH_S),
        "triton": Probe(inference.ready),
        "storage": storing,
        "acs": Probe(reviewer.ready),
        "llm": Probe(enhancer.ready),
    }


def _health(
    probes: Mapping[str, Probe],
    workers: Workers,
    cache: Cache,
    gate: Gate,
    certificate: Certificate,
    catalogue: LiveCatalogue,
    memory: RedisMemory,
    origins: ClientOrigins,
) -> Health:
    return Health(
        version=__version__,
        probes=probes,
        flags={
            "workers": lambda: workers.running,
            "cache": lambda: cache.size is not None,
            "models": lambda: bool(catalogue.current.models),
            "accepting": lambda: not gate.closed,
            "credentials": lambda: not certificate.has_ended(_now()),
        },
        warnings=lambda: list(
            filter(
                None,
                (
                    certificate.warning(_now()),
                    *catalogue.warnings,
                    *memory.warnings(),
                    origins.warning,
                ),
            )
        ),
    )


def _metrics(
    redis: "Redis", cache: Cache, certificate: Certificate
) -> tuple[Callable[[], Awaitable[None]], ...]:
    return (
        partial(job_metrics.refresh, redis),
        partial(cache_metrics.refresh, cache),
        partial(certificate_metrics.refresh, certificate),
    )


def _check_urls(settings: Settings) -> None:
    for name in ("redis_url", "triton_urls", "acs_url"):
        if not getattr(settings, name):
            raise SettingError(
                f"IMGEN_{name.upper()} is not set (or run `imgen up`, which starts the parts itself)"
            )


def _enhancer(settings: Settings, llm: HttpService) -> Enhancer:
    return Enhancer(
        llm.session,
        url=llm.url,
        model=settings.llm_model,
        key=settings.llm_key,
        timeout_s=settings.llm_timeout_s,
        at_a_time=settings.llm_at_a_time,
    )


def _default_texts(settings: Settings) -> CredentialTexts:
    return CredentialTexts(
        author=settings.cs_author,
        title=settings.cs_title,
        description=settings.cs_description,
        organization=settings.cs_organization,
        vendor=settings.cs_vendor,
    )


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
