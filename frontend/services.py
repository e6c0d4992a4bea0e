"""Every service of the server, built once and closed in one place."""

import contextlib
import logging
from collections.abc import AsyncIterator
from functools import partial

from redis.asyncio import Redis

from frontend.actions.context import Gate, Services
from frontend.actions.webhook import webhook_body
from frontend.audit.log import AuditLog
from frontend.cache import metrics as cache_metrics
from frontend.cache.cache import Cache
from frontend.cache.encoder import Infers, PromptEncoder
from frontend.cache.open_cache import open_cache
from frontend.cache.rulesets import Rulesets
from frontend.catalogue.character_audit import CharacterAudit
from frontend.catalogue.tiles import Tiles
from frontend.cells.cells import Cells
from frontend.cells.limits import CellLimits
from frontend.common.fair_limiter import FairLimiter
from frontend.common.probe import Probe
from frontend.common.replicas import Replicas
from frontend.common.supervised import in_background
from frontend.common.tracer import NO_TRACER, Tracer
from frontend.common.version import __version__
from frontend.domain.job import CredentialTexts
from frontend.drawing import STARTS_WITH_US_FRESH_S, OpenInference, open_drawing, open_inference
from frontend.events import metrics as event_metrics
from frontend.events.hub import Hub
from frontend.events.seats import Seats
from frontend.events.watch import JobWatch
from frontend.finishing.wm_image import read_mark
from frontend.http.body import BodyReader
from frontend.http.body_parser import BodyParser
from frontend.http.byte_budget import ByteBudget
from frontend.http.health import Health
from frontend.http.rate_limit import AnonymousRateLimiter
from frontend.keys import metrics as key_metrics
from frontend.keys.api_keys import Keys
from frontend.keys.handovers import Handovers
from frontend.keys.key_admission import KeyAdmission
from frontend.keys.rates import RateClass, Rates, rates_of
from frontend.keys.usage import Usage
from frontend.keys.webhook_secrets import WebhookSecretStore
from frontend.net.client_origin import ClientOrigins
from frontend.net.http_endpoint import HttpService, open_http_service
from frontend.net.networks import networks
from frontend.net.public_url import only_local
from frontend.prompts.built_in_grammar import open_grammar
from frontend.prompts.enhancer import Enhancer
from frontend.review.links import Links
from frontend.review.reviewed_pictures import ReviewedPictures
from frontend.review.reviewer import Reviewer
from frontend.review.reviews import Reviews
from frontend.settings import Settings, catalogue_folders
from frontend.storage import Storage
from frontend.verification.decode import read_picture
from frontend.verification.manifest_report import read_manifest
from frontend.verification.service import open_verification
from frontend.webhooks import metrics as webhook_metrics
from frontend.webhooks.admission import WebhookAdmission
from frontend.webhooks.backoff import Backoff
from frontend.webhooks.deliverer import Deliverer
from frontend.webhooks.receivers import open_receivers
from frontend.webhooks.store import DeliveryStore

log = logging.getLogger(__name__)
WATERMARKS_AT_A_TIME = 2
ANSWERS_AT_A_TIME = 4  # of up to four pictures, which take up to 46 MB in all their forms
FOREIGN_BYTES = (read_mark, read_picture, read_manifest)  # what is done in cells
CELLS = 3  # one more than `verify` can hold
# The largest pictures that are let in take about two thirds of the processor's time and of the memory.
CELL_LIMITS = CellLimits(cpu_s=1.8, wall_s=10.0, memory_bytes=640 << 20)


@contextlib.asynccontextmanager
async def open_services(
    settings: Settings, draw_with: OpenInference = open_inference, tracer: Tracer = NO_TRACER
) -> AsyncIterator[Services]:
    """The services of one process, from opening to closing.

    Raises SettingError, CatalogueError, and RedisError where Redis does not answer.
    """
    if warning := only_local(settings):
        log.warning("%s", warning)
    async with contextlib.AsyncExitStack() as stack:
        enter = stack.enter_async_context
        drawing = await enter(open_drawing(settings, draw_with, tracer))
        redis, jobs, storage, catalogue = drawing.redis, drawing.jobs, drawing.storage, drawing.catalogue
        cells = await enter(Cells.open(FOREIGN_BYTES, CELL_LIMITS, CELLS, on_demand=True))
        acs = await enter(
            open_http_service("acs", settings.acs_url, key=settings.acs_key, ca=settings.acs_ca)
        )
        llm = await enter(open_http_service("llm", settings.llm_url))
        verification = await enter(
            open_verification(
                redis,
                drawing.mark_keys.reading,
                drawing.finisher.certificate.chain,
                settings.private_networks,
                settings.fetch_timeout_s,
                cells,
            )
        )
        replicas = Replicas(settings.redis_replicas, settings.redis_replicas_timeout_s)
        audit = AuditLog(redis, replicas)
        await enter(in_background(CharacterAudit(catalogue, audit).watch()))
        links = Links(storage, audit)
        reviewer = Reviewer(acs.url, settings.acs_timeout_s, acs.session)
        cache = await enter(_open_cache(settings, redis, drawing.inference, storage, acs))
        reviews = Reviews(
            redis,
            jobs,
            links,
            reviewer,
            cache,
            lambda character, recorded: catalogue.declared.depicts(character, recorded),
            settings.acs_timeout_s,
            tracer=tracer,
        )
        stack.push_async_callback(reviews.close)
        hub = await enter(Hub.open(redis))
        bodies = await enter(BodyParser.open())
        enhancer, gate = _enhancer(settings, llm), Gate()
        seats = _seats(settings)
        proxies = networks("trusted_proxies", settings.trusted_proxies)
        origins = ClientOrigins(settings, proxies)
        max_body, budget = settings.max_body_mb << 20, settings.body_budget_mb << 20
        receivers, secrets = await enter(open_receivers(settings)), WebhookSecretStore(redis)
        keys, rates, usage = Keys(redis), rates_of(settings), Usage(redis)
        health = Health(
            version=__version__,
            probes={
                **drawing.probes,
                "acs": Probe(reviewer.ready, STARTS_WITH_US_FRESH_S, "IMGEN_ACS_URL"),
                "llm": Probe(enhancer.ready, setting="IMGEN_LLM_URL"),
            },
            flags={**drawing.flags(gate), "cache": lambda: cache.size is not None},
            warnings=lambda: [*drawing.warnings(), *filter(None, [origins.warning])],
            runtimes=lambda: drawing.stock.runtimes,
        )
        services = Services(
            max_body_bytes=max_body,
            default_texts=_default_texts(settings),
            keys=keys,
            admission=KeyAdmission(redis, keys, rates[RateClass.REQUESTS]),
            rates=Rates(redis, rates),
            usage=usage,
            handovers=Handovers(redis),
            catalogue=catalogue,
            tiles=Tiles(*catalogue_folders(settings)),
            grammar=open_grammar(settings.catalogue_dir / "random.yaml"),
            enhancer=enhancer,
            cache=cache,
            jobs=jobs,
            memory=drawing.memory,
            reviews=reviews,
            watch=JobWatch(jobs, reviews, hub),
            seats=seats,
            webhooks=WebhookAdmission(receivers, secrets),
            links=links,
            storage=storage,
            reviewed=ReviewedPictures(storage, audit),
            answers=_taking_turns(ANSWERS_AT_A_TIME, settings),
            gate=gate,
            cells=cells,
            decoding=_taking_turns(WATERMARKS_AT_A_TIME, settings),
            verification=verification,
            bodies=bodies,
            body_budget=ByteBudget(budget, share=max(budget // 4, max_body)),
            anonymous_body_budget=ByteBudget(max(budget // 8, max_body), share=max_body),
            body_reader=BodyReader(settings.body_timeout_s),
            anonymous=AnonymousRateLimiter(settings.verify_per_minute),
            proxies=proxies,
            origins=origins,
            workers=drawing.workers,
            health=health,
            metrics=(
                *drawing.metrics(health, frozenset() if enhancer.present else frozenset({"llm"})),
                partial(webhook_metrics.refresh, drawing.prober),
                partial(cache_metrics.refresh, cache),
                partial(event_metrics.refresh, seats),
                partial(key_metrics.refresh, Usage(drawing.prober)),
            ),
        )
        deliverer = Deliverer(
            DeliveryStore(redis),
            secrets,
            receivers,
            partial(webhook_body, services),
            Backoff(settings.webhook_retry_s),
        )
        await enter(deliverer.running())
        yield services


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


def _enhancer(settings: Settings, llm: HttpService) -> Enhancer:
    return Enhancer(
        llm.session,
        url=llm.url,
        model=settings.llm_model,
        key=settings.llm_key,
        timeout_s=settings.llm_timeout_s,
        at_a_time=settings.llm_at_a_time,
    )


def _taking_turns(at_a_time: int, settings: Settings) -> FairLimiter:
    """As many may wait as there are connections: keys take turns."""
    most = settings.max_connections
    return FairLimiter(at_a_time, waiting_each=most, waiting=most)


def _seats(settings: Settings) -> Seats:
    return Seats(
        settings.streams_limit or max(1, settings.max_connections // 2),
        settings.key_streams_limit or settings.key_jobs_limit,
    )


def _default_texts(settings: Settings) -> CredentialTexts:
    return CredentialTexts(
        author=settings.cs_author,
        title=settings.cs_title,
        description=settings.cs_description,
        organization=settings.cs_organization,
        vendor=settings.cs_vendor,
    )
