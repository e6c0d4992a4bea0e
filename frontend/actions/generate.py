"""`generate`: from a raw body to an accepted job. Nothing is drawn here."""

import asyncio
import logging
import secrets
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from redis.exceptions import RedisError

from frontend.actions.context import Call
from frontend.actions.generate_request import GenerateRequest, idempotency_key, is_repeatable
from frontend.cache.cache import CacheQuery
from frontend.cache.demands import Demands
from frontend.catalogue.catalogue import Catalogue
from frontend.catalogue.recipe import recipe
from frontend.common.errors import GENERATION_FAILED, ApiError
from frontend.domain.job import CredentialTexts, Job, new_id
from frontend.domain.prompt_intent import PromptIntent
from frontend.finishing import wm_image
from frontend.finishing.texts import DESCRIPTION_LIMIT, clean
from frontend.jobs.idempotency_key import IdempotencyKey
from frontend.jobs.memory import full, is_full
from frontend.prompts import prompt as prompts
from frontend.prompts.intent import intent_of
from frontend.prompts.prompt import Prompt, Reading, compose, read

log = logging.getLogger(__name__)
READ_AT_ONCE = 400  # characters of a prompt, which take the event loop a millisecond or two
RANDOM_SEEDS = 2**32  # every client's numbers hold these; JavaScript's are exact up to 2**53 only


async def generate(call: Call) -> dict[str, Any]:
    """Raises ApiError; 503 where the jobs' store is full, 502 where it is out of order, as nothing is wrong
    with the request."""
    try:
        return await _accept(call)
    except RedisError as error:
        if is_full(error):
            raise full() from None
        log.exception("no job was accepted")
        raise ApiError(502, GENERATION_FAILED) from None


async def _accept(call: Call) -> dict[str, Any]:
    services = call.services
    if services.gate.closed:
        raise ApiError(503, "Server is shutting down", {"Retry-After": "5"})
    services.memory.admit()
    request = GenerateRequest.from_body(call.body)
    catalogue = services.catalogue.current
    try:
        model = catalogue.model(request.model)
        catalogue.check_size(model.name, request.size)
    except ApiError:  # which may be new since it was accepted
        if known := await _accepted_before(call, await _repeat_of(call)):
            return known
        raise
    asked = await _read_prompt(request, catalogue.characters_of(model.name))
    watermark = await _read_watermark(call, request.wm_image)
    repeat = await _repeat_of(call)
    if known := await _accepted_before(call, repeat):
        return known
    job = plan(request, asked, catalogue, services.default_texts, call.key.id)
    if request.use_cache:
        if found := await _from_cache(call, request, job, intent_of(asked), repeat):
            return await _answer(call, found)
        if request.cache_only:
            raise ApiError(404, "No cached result found")
    if request.optimize:
        better = await services.enhancer.enhance(asked.prompt, call.key.id)
        job = plan(request, asked, catalogue, services.default_texts, call.key.id, better)
    accepted = await services.jobs.accept(job, watermark, repeat)
    return shape(job) if accepted == job.id else await _answer(call, accepted)


async def _read_prompt(request: GenerateRequest, characters: Collection[str]) -> Reading:
    """A long one not on the event loop: it may be read many times, until it stays as it is."""
    if len(request.prompt) + len(request.negative) <= READ_AT_ONCE:
        return read(request.prompt, characters, request.negative)
    return await asyncio.to_thread(read, request.prompt, characters, request.negative)


async def _repeat_of(call: Call) -> IdempotencyKey | None:
    """Raises ApiError."""
    if not is_repeatable(call.body, call.idempotency_key):
        return None
    # Digests of megabytes: not on the event loop.
    return await asyncio.to_thread(idempotency_key, call.body, call.idempotency_key, call.key.id)


async def _accepted_before(call: Call, repeat: IdempotencyKey | None) -> dict[str, Any] | None:
    """What the first request with this key was answered. Raises ApiError where it was another one."""
    known = await call.services.jobs.accepted_before(repeat) if repeat else None
    return await _answer(call, known) if known else None


async def _from_cache(
    call: Call, request: GenerateRequest, job: Job, asked: PromptIntent, repeat: IdempotencyKey | None
) -> str | None:
    """The id of a finished job with a picture that was made before. Raises ApiError."""
    demands = Demands(
        size=request.size,
        format=request.format,
        quality=request.quality,
        lossless=request.lossless,
        seed=request.seed,
        own_look=request.own_look,
    )
    question = CacheQuery(
        job=job, intent=asked, demands=demands, pick=request.cache_pick, force=request.cache_force
    )
    found = await call.services.cache.find(question)
    if found is None:
        return None
    return await call.services.jobs.serve(found.job_for(job), found, repeat)


async def _read_watermark(call: Call, data_uri: str) -> bytes:
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

    `asked`: what the client wrote; where there is an `optimised` prompt, that one is drawn.
    """
    prompt = optimised or asked.prompt
    model = catalogue.model(request.model)
    style = model.style(request.style)
    character = catalogue.characters.get(prompt.character)
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
        steps=model.steps,
        guidance=model.guidance,
        seed=secrets.randbelow(RANDOM_SEEDS) if request.seed is None else request.seed,
        format=request.format,
        quality=request.quality,
        lossless=request.lossless,
        optimized=request.optimize,
        compliance_ruleset=request.compliance_ruleset,
        precompliance=request.precompliance,
        watermark=request.watermark,
        texts=_texts(request.texts, default_texts),
        notes=asked.notes,
        intent=None if request.own_look else intent_of(asked),
        recipe=recipe(model, style, character),
    )


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


async def _answer(call: Call, job_id: str) -> dict[str, Any]:
    """What the first request with the same idempotency key was answered."""
    state = await call.services.jobs.read(job_id, call.key.id)
    if state is None:  # its 24 hours are over in this very moment
        raise ApiError(409, "Idempotency key was used for another request")
    return shape(state.job)


def shape(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "prompt": job.prompt,
        "model": job.model,
        "format": job.format,
        "gen_id": job.gen_id,
        **({"cache": True} if job.cached else {}),
        **({"notes": job.notes} if job.notes else {}),
    }
