"""`POST /v1/images/generations`: orders pictures, waits for them, and answers those that were found safe."""

import asyncio
import base64
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Sequence

from aiohttp import hdrs, web
from msgspec import UNSET
from redis.exceptions import RedisError

from frontend.actions.admission import admit_with_key
from frontend.actions.context import SERVICES, Services
from frontend.actions.generate import IDEMPOTENCY_KEY
from frontend.actions.generate_request import repeat_by_header
from frontend.common.errors import ApiError
from frontend.domain.job_state import Completed
from frontend.http.departure import while_connected
from frontend.http.event_stream import COMMENT, event
from frontend.http.event_stream import MEDIA_TYPE as EVENT_STREAM
from frontend.http.large_answer import MAX_SEND_S, LargeAnswer
from frontend.http.middleware import JSON_TYPE, encode, json_response
from frontend.http.openai_error import NEVER_AGAIN, openai_error
from frontend.http.quotas import quotas_of
from frontend.keys.api_keys import KeyRecord
from frontend.keys.rates import RateClass
from frontend.openai.images_answer import CompletedEvent, ImagesAnswer, PictureItem
from frontend.openai.images_request import ImagesRequest, read_images
from frontend.openai.order import End, ImageOrder
from frontend.review.release import Unreviewed
from frontend.storage import StorageError

log = logging.getLogger(__name__)
SLOT_WAIT_S = MAX_SEND_S + 30  # the slowest readers have left by then
UNREADABLE = "Picture cannot be read"


async def images(request: web.Request) -> web.StreamResponse:
    """Raises ApiError."""
    services = request.app[SERVICES]
    key = await admit_with_key(request)
    async with contextlib.AsyncExitStack() as stack:
        order = await _read(request, services, key)
        stack.enter_context(services.seats.seat(key.id))
        stack.push_async_callback(order.withdraw)
        await order.accept()
        if order.asked.stream:
            return LargeAnswer(_events(request, order), stack.pop_all().aclose, EVENT_STREAM)
        try:
            with while_connected(request):
                ends = await _ends(order)
        except ConnectionResetError:  # nobody reads it
            return web.Response(status=499, reason="Client went away")
        await _authorize(request, order)
        if not order.asked.in_base64:
            return json_response(await _with_links(request, order, ends))
        await stack.enter_async_context(_slot(order))
        body = await _with_files(order, ends)
        return LargeAnswer(_once(body), stack.pop_all().aclose, JSON_TYPE)
    raise AssertionError("no stack swallows errors")


async def _read(request: web.Request, services: Services, key: KeyRecord) -> ImageOrder:
    """Raises ApiError."""
    with services.body_budget.account(key.id) as take:
        body = await services.bodies.parse(await services.body_reader.read(request, take))
        asked = read_images(body)
        header = request.headers.get(IDEMPOTENCY_KEY)
        # Digests of megabytes: not on the event loop.
        repeat = (
            await asyncio.to_thread(repeat_by_header, header, body, key.id) if header is not None else None
        )
    for _ in range(asked.n):
        quota = await services.rates.admit(key, RateClass.ORDERS)
    quotas_of(request).append(quota)
    return ImageOrder(services, key, asked, repeat)


async def _ends(order: ImageOrder) -> list[End]:
    """In the jobs' order. Raises ApiError where none is a safe picture."""
    found: dict[int, End] = {}
    async with contextlib.aclosing(order.ends()) as coming:
        async for each in coming:
            if each:
                found[each[0]] = each[1]
    ends = [found[number] for number in sorted(found)]
    if not _safe(ends):
        raise order.refusal(ends)
    return ends


def _safe(ends: Sequence[End]) -> list[Completed]:
    return [end for end in ends if isinstance(end, Completed)]


async def _authorize(request: web.Request, order: ImageOrder) -> None:
    """Its key may have been disabled meanwhile. Raises ApiError."""
    await order.services.keys.authorize(request.headers[hdrs.AUTHORIZATION])


async def _with_links(request: web.Request, order: ImageOrder, ends: list[End]) -> ImagesAnswer:
    services = order.services
    origin = services.origins.of(request)
    items = [
        PictureItem(
            url=(await services.links.for_client(state, origin)).picture, revised_prompt=state.job.prompt
        )
        for state in _safe(ends)
    ]
    return _answer(order, ends, items)


async def _with_files(order: ImageOrder, ends: list[End]) -> bytes:
    items = [
        PictureItem(b64_json=await _base64(order, state), revised_prompt=state.job.prompt)
        for state in _safe(ends)
    ]
    return await asyncio.to_thread(encode, _answer(order, ends, items))


def _answer(order: ImageOrder, ends: list[End], items: Sequence[PictureItem]) -> ImagesAnswer:
    first = order.jobs[0]
    return ImagesAnswer(
        created=int(time.time()),
        model=first.model,
        output_format=first.format,
        size=_size(order.asked),
        data=tuple(items),
        notes=order.notes_of(ends) or UNSET,
    )


async def _base64(order: ImageOrder, state: Completed) -> str:
    """Raises ApiError."""
    try:
        data = await order.services.reviewed.read(state)
    except (StorageError, Unreviewed) as error:
        log.error("picture %s cannot be read: %s", state.job.gen_id, type(error).__name__)
        raise ApiError(502, UNREADABLE, NEVER_AGAIN) from None
    return await asyncio.to_thread(lambda: base64.b64encode(data).decode())


@contextlib.asynccontextmanager
async def _slot(order: ImageOrder) -> AsyncGenerator[None, None]:
    """In which pictures may be in memory. Raises ApiError."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(order.services.answers.slot(order.key.id, SLOT_WAIT_S))
        except TimeoutError:
            raise ApiError(503, "Server is busy", {"Retry-After": "5"}) from None
        yield


async def _events(request: web.Request, order: ImageOrder) -> AsyncGenerator[bytes, None]:
    """One for each picture that was found safe; where there is none, one that says why."""
    ends: list[End] = []
    try:
        async with contextlib.aclosing(order.ends()) as coming:
            async for each in coming:
                if each is None:
                    yield COMMENT
                    continue
                ends.append(each[1])
                if isinstance(state := each[1], Completed):
                    await _authorize(request, order)
                    async with _slot(order):
                        yield await _completed(order, state)
        if not _safe(ends):
            raise order.refusal(ends)
    except ApiError as error:
        yield event("error", encode(openai_error(error)))
    except RedisError:
        yield event("error", encode(openai_error(ApiError(500, "Internal error"))))


async def _completed(order: ImageOrder, state: Completed) -> bytes:
    told = CompletedEvent(
        b64_json=await _base64(order, state),
        created_at=int(time.time()),
        model=state.job.model,
        output_format=state.job.format,
        size=_size(order.asked),
    )
    return await asyncio.to_thread(lambda: event(told.type, encode(told)))


def _size(asked: ImagesRequest) -> str:
    return "{}x{}".format(*asked.drawn_size)


async def _once(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body
