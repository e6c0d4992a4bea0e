"""What of a process draws, and what every process has beside it: opened once, closed in one place."""

import asyncio
import contextlib
import datetime
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Set
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from redis.asyncio import Redis

from frontend.actions.context import Gate, WorkerServices
from frontend.cache.encoder import Infers
from frontend.catalogue.live_catalogue import LiveCatalogue
from frontend.common.errors import SettingError
from frontend.common.probe import WRITE_FRESH_S, NotReady, Probe
from frontend.common.redis_connection import connect, connect_to_probe
from frontend.common.redis_probe import check_redis, refuse_cluster
from frontend.common.supervised import in_background
from frontend.common.tracer import NO_TRACER, Tracer
from frontend.common.version import __version__
from frontend.finishing import metrics as certificate_metrics
from frontend.finishing.finish import Finisher
from frontend.http import metrics as http_metrics
from frontend.http.health import Health
from frontend.inference.client import Inference
from frontend.inference.stock import StockWatch, TellsInventory
from frontend.inference.tls import triton_tls
from frontend.invisible_mark.agreement import agree_on_keys
from frontend.invisible_mark.keys import InvisibleKeys
from frontend.jobs import metrics as job_metrics
from frontend.jobs.memory import RedisMemory
from frontend.jobs.picture_store import PictureStore
from frontend.jobs.store import JobStore
from frontend.jobs.worker import TextToImage, WorkerContext, Workers
from frontend.net.plain_text import plain_text_warnings
from frontend.net.public_url import public_url
from frontend.settings import Settings, catalogue_folders
from frontend.storage import Storage, open_storage

log = logging.getLogger(__name__)
STARTS_WITH_US_FRESH_S = 0.1  # of `imgen up`: not yet there is soon there
Refresher = Callable[[], Awaitable[None]]


class TritonModels(TextToImage, Infers, TellsInventory, Protocol):
    """What Triton does for this server: pictures, the prompt encoder's vectors, what it has weights of."""


OpenInference = Callable[[Settings], AbstractAsyncContextManager[TritonModels]]


@contextlib.asynccontextmanager
async def open_inference(settings: Settings) -> AsyncIterator[Inference]:
    inference = Inference(
        settings.triton_urls,
        timeout_s=settings.triton_timeout_s,
        tls=triton_tls(settings.triton_ca, settings.triton_certificate, settings.triton_key),
    )
    async with inference.running():
        yield inference


@dataclass(frozen=True, kw_only=True)
class DrawingServices:
    prober: "Redis"
    redis: "Redis"
    storage: Storage
    storing: Probe
    catalogue: LiveCatalogue
    mark_keys: InvisibleKeys
    finisher: Finisher
    inference: TritonModels
    stock: StockWatch
    jobs: JobStore
    memory: RedisMemory
    workers: Workers

    @property
    def probes(self) -> Mapping[str, Probe]:
        return {
            "redis": Probe(partial(check_redis, self.prober), WRITE_FRESH_S, "IMGEN_REDIS_URL"),
            "triton": Probe(self._check_triton, STARTS_WITH_US_FRESH_S, "IMGEN_TRITON_URLS"),
            "storage": self.storing,
        }

    def flags(self, gate: Gate) -> Mapping[str, Callable[[], bool]]:
        return {
            "workers": lambda: self.workers.running,
            "models": lambda: bool(self.catalogue.current.models),
            "accepting": lambda: not (gate.leaving or gate.closed),
            "credentials": lambda: not self.finisher.certificate.has_ended(_now()),
        }

    def warnings(self) -> list[str]:
        told = (
            self.finisher.certificate.warning(_now()),
            *self.catalogue.warnings,
            *self.memory.warnings(),
            self.stock.warning,
        )
        return list(filter(None, told))

    def metrics(self, health: Health, absent: Set[str] = frozenset()) -> tuple[Refresher, ...]:
        """`absent`: parts that this server does without, by its operator's choice."""
        return (
            partial(http_metrics.refresh_parts, health, absent),
            partial(job_metrics.refresh, self.prober, self.jobs, self.memory),
            partial(certificate_metrics.refresh, self.finisher.certificate),
        )

    async def _check_triton(self) -> bool:
        """Once it is ready, it is known as well what it has weights of."""
        if not await self.inference.ready():
            return False
        await self.stock.look_for_the_first_time()
        return True


@contextlib.asynccontextmanager
async def open_worker_services(
    settings: Settings, draw_with: OpenInference = open_inference, tracer: Tracer = NO_TRACER
) -> AsyncIterator[WorkerServices]:
    """Of a process that draws and answers no clients. Raises as `open_drawing`."""
    async with open_drawing(settings, draw_with, tracer) as drawing:
        gate = Gate()
        health = Health(
            version=__version__,
            probes=drawing.probes,
            flags=drawing.flags(gate),
            warnings=drawing.warnings,
            runtimes=lambda: drawing.stock.runtimes,
        )
        yield WorkerServices(
            health=health, metrics=drawing.metrics(health), gate=gate, workers=drawing.workers
        )


@contextlib.asynccontextmanager
async def open_drawing(
    settings: Settings, draw_with: OpenInference, tracer: Tracer
) -> AsyncIterator[DrawingServices]:
    """Raises SettingError, CatalogueError, and RedisError where Redis does not answer."""
    _check_urls(settings)
    for words in plain_text_warnings(settings):
        log.warning("%s", words)
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        prober = await enter(contextlib.aclosing(connect_to_probe(settings.redis_url)))
        await prober.ping()
        await refuse_cluster(prober)
        redis = await enter(contextlib.aclosing(connect(settings.redis_url)))
        storage = await enter(open_storage(settings, public_url(settings)))
        catalogue = await enter(_open_catalogue(settings))
        mark_keys = await agree_on_keys(redis, settings.mark_key, settings.data_dir)
        finisher = await enter(Finisher.open(settings, mark_keys))
        inference = await enter(draw_with(settings))
        stock = await enter(_keep_to_stock(inference, catalogue))
        jobs = JobStore(redis, settings)
        await jobs.prepare()
        memory = await enter(_open_memory(redis))
        storing = Probe(storage.check, WRITE_FRESH_S)
        await _warn_of(storing)
        context = WorkerContext(jobs, inference, finisher, PictureStore(storage, storing), tracer)
        yield DrawingServices(
            prober=prober,
            redis=redis,
            storage=storage,
            storing=storing,
            catalogue=catalogue,
            mark_keys=mark_keys,
            finisher=finisher,
            inference=inference,
            stock=stock,
            jobs=jobs,
            memory=memory,
            workers=await enter(_open_workers(context, settings)),
        )


@contextlib.asynccontextmanager
async def _open_catalogue(settings: Settings) -> AsyncIterator[LiveCatalogue]:
    catalogue = await asyncio.to_thread(LiveCatalogue, *catalogue_folders(settings))
    async with in_background(catalogue.watch()):
        yield catalogue


@contextlib.asynccontextmanager
async def _keep_to_stock(inference: TellsInventory, catalogue: LiveCatalogue) -> AsyncIterator[StockWatch]:
    stock = StockWatch(inference, catalogue)
    await stock.look()
    async with in_background(stock.watch()):
        yield stock


@contextlib.asynccontextmanager
async def _open_memory(redis: "Redis") -> AsyncIterator[RedisMemory]:
    memory = RedisMemory(redis)
    await memory.look()
    async with in_background(memory.watch()):
        yield memory


@contextlib.asynccontextmanager
async def _open_workers(context: WorkerContext, settings: Settings) -> AsyncIterator[Workers]:
    taken = 0 if settings.role == "api" else settings.workers
    workers = Workers(context, replace(settings, workers=taken))
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


def _check_urls(settings: Settings) -> None:
    for name in ("redis_url", "triton_urls", *(() if settings.role == "worker" else ("acs_url",))):
        if not getattr(settings, name):
            raise SettingError(
                f"IMGEN_{name.upper()} is not set (or run `imgen up`, which starts the parts itself)"
            )


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
