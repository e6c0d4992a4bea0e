"""`generate`: from a raw body to an accepted job. Nothing is drawn here."""

import asyncio
import functools
import logging
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType
from multidict import istr
from redis.exceptions import RedisError

from contract.emphasis import is_weighted
from frontend.actions.context import Call
from frontend.actions.generate_request import GenerateRequest, repeat_of
from frontend.cache.cache import CacheQuery
from frontend.cache.demands import Demands
from frontend.catalogue.catalogue import Catalogue
from frontend.catalogue.recipe import recipe
from frontend.common.errors import GENERATION_FAILED, ApiError
from frontend.common.tracer import note, span
from frontend.common.work_context import current_work, know_job
from frontend.domain.job import CredentialTexts, Job, new_id
from frontend.domain.prompt_intent import PromptIntent
from frontend.domain.webhook import Webhook
from frontend.finishing import wm_image
from frontend.finishing.texts import DESCRIPTION_LIMIT, clean
from frontend.http.extension import EXTENSION
from frontend.jobs.idempotency_key import IdempotencyKey
from frontend.jobs.memory import full, is_full
from frontend.jobs.queue_share import QueueShare
from frontend.prompts import prompt as prompts
from frontend.prompts.intent import intent_of
from frontend.prompts.prompt import Prompt, Reading, compose, read

log = logging.getLogger(__name__)
READ_AT_ONCE = 400  # characters of a prompt, which take the event loop a millisecond or two
MAX_READINGS = 2_000  # of such prompts that are remembered, some KiB each
RANDOM_SEEDS = 2**32  # every client's numbers hold these; JavaScript's are exact up to 2**53 only
IDEMPOTENCY_KEY = istr("Idempotency-Key")
MAX_NOTES = 20
Notes = Annotated[
    tuple[str, ...],
    Meta(max_length=MAX_NOTES, description="What of the prompt was left out, or may not mean what was meant",
         examples=[["Ignored <lora:x:1>: characters are chosen by @name"]], extra_json_schema=EXTENSION),
]  # fmt: skip


class GenerateAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An accepted order, or the one that was accepted before with the same idempotency key."""

    id: Annotated[
        str,
        Meta(description="Of the job; begins with `cache_` where the cache answered",
             examples=["run_k3v9q0x2m5t8w1z4c7b6"]),
    ]  # fmt: skip
    prompt: Annotated[
        str,
        Meta(description="In its canonical form, as it is drawn (after `optimize`)",
             examples=["@mira waving, in a meadow, -rain"]),
    ]  # fmt: skip
    model: Annotated[str, Meta(description="The model that is used", examples=["eros"])]
    format: Annotated[str, Meta(description="The file format that is used", examples=["webp"])]
    gen_id: Annotated[
        str,
        Meta(description="Of the picture; its file's name begins with it", examples=["a1b2c3d4e5f6g7h8i9j0"]),
    ]
    cache: Annotated[
        bool | UnsetType,
        Meta(description="True where the cache answered; missing otherwise", examples=[True]),
    ] = UNSET  # fmt: skip
    notes: Notes | UnsetType = UNSET


async def generate(call: Call[GenerateRequest]) -> GenerateAnswer:
    """Raises ApiError; 503 where the jobs' store is full, 502 where it is out of order, as nothing is wrong
    with the request."""
    try:
        return await _accept(call)
    except RedisError as error:
        if is_full(error):
            raise full() from None
        log.exception("no job was accepted")
        raise ApiError(502, GENERATION_FAILED) from None


async def _accept(call: Call[GenerateRequest]) -> GenerateAnswer:
    services = call.services
    if services.gate.closed:
        raise ApiError(503, "Server is shutting down", {"Retry-After": "5"})
    services.memory.admit()
    request = call.asked
    webhook = await services.webhooks.admit(call.key.id, request.webhook_url, call.origin)
    catalogue = services.catalogue.current
    try:
        model = catalogue.model(request.model)
        catalogue.check_size(model.name, request.size)
    except ApiError:  # which may be new since it was accepted
        if known := await _accepted_before(call, await _repeat_of(call)):
            return known
        raise
    asked = await _read_prompt(request, catalogue.names[model.name])
    watermark = await _read_watermark(call, request.wm_image)
    repeat = await _repeat_of(call)
    if known := await _accepted_before(call, repeat):
        return known
    job = plan(request, asked, catalogue, services.default_texts, call.key.id)
    know_job(job.id)
    note(job=job.id, model=job.model)
    if request.use_cache:
        if found := await _from_cache(call, job, intent_of(asked), repeat, webhook):
            return await _answer(call, found)
        if request.cache_only:
            raise ApiError(404, "No cached result found")
    if request.optimize:
        better = await services.enhancer.enhance(asked.prompt, call.key.id)
        job = plan(request, asked, catalogue, services.default_texts, call.key.id, better)
        know_job(job.id)
        note(job=job.id)
    with span("accept"):
        accepted = await services.jobs.accept(
            job, watermark, repeat, webhook, QueueShare.of(call.key), terms=call.key, quotas=call.quotas
        )
    return shape(job) if accepted == job.id else await _answer(call, accepted)


_read_brief = functools.lru_cache(MAX_READINGS)(read)


async def _read_prompt(request: GenerateRequest, characters: frozenset[str]) -> Reading:
    """A long one not on the event loop: it may be read many times, until it stays as it is."""
    if len(request.prompt) + len(request.negative) <= READ_AT_ONCE:
        return _read_brief(request.prompt, characters, request.negative)
    return await asyncio.to_thread(read, request.prompt, characters, request.negative)


async def _repeat_of(call: Call[GenerateRequest]) -> IdempotencyKey | None:
    """Raises ApiError."""
    header = call.header(IDEMPOTENCY_KEY)
    if header is None and not call.asked.idempotency_key:
        return None
    # Digests of megabytes: not on the event loop.
    return await asyncio.to_thread(repeat_of, call.asked, header, call.body, call.key.id)


async def _accepted_before(
    call: Call[GenerateRequest], repeat: IdempotencyKey | None
) -> GenerateAnswer | None:
    """What the first request with this key was answered. Raises ApiError where it was another one."""
    known = await call.services.jobs.accepted_before(repeat) if repeat else None
    return await _answer(call, known) if known else None


async def _from_cache(
    call: Call[GenerateRequest],
    job: Job,
    asked: PromptIntent,
    repeat: IdempotencyKey | None,
    webhook: Webhook | None,
) -> str | None:
    """The id of a finished job with a picture that was made before. Raises ApiError."""
    request = call.asked
    demands = Demands(
        size=request.size,
        format=request.format,
        quality=request.quality,
        lossless=request.lossless,
        seed=request.fixed_seed,
        own_look=request.own_look,
    )
    question = CacheQuery(
        job=job, intent=asked, demands=demands, pick=request.cache_pick, force=request.cache_force
    )
    with span("cache"):
        found = await call.services.cache.find(question)
    if found is None:
        return None
    served = found.job_for(job)
    return await call.services.jobs.serve(served, found, repeat, webhook, terms=call.key, quotas=call.quotas)


async def _read_watermark(call: Call[GenerateRequest], data_uri: str) -> bytes:
    """The watermark's pixels, to be kept beside the job; its file ends here."""
    if not data_uri:
        return b""
    async with call.services.decoding.slot(call.key.id):
        return await asyncio.to_thread(wm_image.from_data_uri, data_uri, call.services.cells)


def plan(
    request: GenerateRequest,
    asked: Reading,
    catalogue: Catalogue,
    default_texts: CredentialTexts,
    owner: str,
    optimised: Prompt | None = None,
) -> Job:
    """The job that a request becomes: names looked up, prompts composed, a seed chosen.

    `asked`: what the client wrote; where there is an `optimised` prompt, that one is drawn. Raises ApiError
    where a style's LoRA cannot be drawn with.
    """
    prompt = optimised or asked.prompt
    model = catalogue.model(request.model)
    style = model.style(request.style)
    character = catalogue.characters.get(prompt.character)
    catalogue.check_style(model, style, character)
    settings = model.step_settings(style)
    composed = compose(prompt, asked.refused, model, style, character)
    width, height = request.size
    return Job(
        id=f"run_{new_id(20)}",
        gen_id=new_id(20),
        owner=owner,
        time=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        prompt=prompts.format(prompt),
        positive=composed.positive,
        negative=composed.negative,
        drawn=composed.positive,
        character=prompt.character,
        rights=character.rights if character else "",
        depicts=(character.depicts or "") if character else "",
        model=model.name,
        style=style.name,
        width=width,
        height=height,
        steps=settings.steps,
        guidance=settings.guidance,
        sampler=settings.sampler,
        spacing=settings.spacing,
        seed=secrets.randbelow(RANDOM_SEEDS) if request.fixed_seed is None else request.fixed_seed,
        format=request.format,
        quality=request.quality,
        lossless=request.lossless,
        optimized=request.optimize,
        compliance_ruleset=request.compliance_ruleset,
        precompliance=request.precompliance,
        watermark=request.watermark,
        texts=_texts(request.texts, default_texts),
        notes=(*asked.notes, *_model_notes(asked, model.name, catalogue)),
        intent=None if request.own_look else intent_of(asked),
        recipe=recipe(model, style, character, catalogue.style_loras.get((model.name, style.name), "")),
        style_strength=style.strength if style.lora else 0.0,
        trace=str(current_work().trace or ""),
    )


def _model_notes(asked: Reading, model: str, catalogue: Catalogue) -> Iterator[str]:
    """What the model cannot do of a prompt."""
    if model in catalogue.without_negatives and (asked.prompt.negative or asked.refused):
        yield f"Negative terms have no effect: the model {model} is drawn with by the prompt alone"
    if model in catalogue.without_emphasis and any(map(is_weighted, asked.prompt.positive)):
        yield f"Weights have no effect: the model {model} reads the words as plain text"


def _texts(asked: CredentialTexts, default: CredentialTexts) -> CredentialTexts:
    """As they will be signed, so that `meta` tells the same."""
    return CredentialTexts(
        author=clean(asked.author) or clean(default.author),
        title=clean(asked.title) or clean(default.title),
        description=clean(asked.description, DESCRIPTION_LIMIT)
        or clean(default.description, DESCRIPTION_LIMIT),
        organization=clean(asked.organization) or clean(default.organization),
        vendor=clean(asked.vendor) or clean(default.vendor),
    )


async def _answer(call: Call[GenerateRequest], job_id: str) -> GenerateAnswer:
    """What the first request with the same idempotency key was answered."""
    state = await call.services.jobs.read(job_id, call.key.id)
    if state is None:  # its 24 hours are over in this very moment
        raise ApiError(409, "Idempotency key was used for another request")
    return shape(state.job)


def shape(job: Job) -> GenerateAnswer:
    return GenerateAnswer(
        id=job.id,
        prompt=job.prompt,
        model=job.model,
        format=job.format,
        gen_id=job.gen_id,
        cache=job.cached or UNSET,
        notes=job.notes or UNSET,
    )
