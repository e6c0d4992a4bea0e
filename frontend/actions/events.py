"""`GET /api/v2/jobs/{id}/events`: where a job stands, told as it changes, until its end."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator
from typing import Annotated, Literal, assert_never

import msgspec
from aiohttp import hdrs, web
from msgspec import Meta
from redis.exceptions import RedisError

from frontend.actions.admission import admit_with_key
from frontend.actions.context import SERVICES, Services
from frontend.actions.status import StatusRequest, status_answer
from frontend.common.errors import ApiError
from frontend.domain.job_state import (
    Blocked,
    Cancelled,
    Completed,
    Failed,
    JobState,
    Queued,
    Reviewing,
    Running,
    TimedOut,
)
from frontend.events.hub import Follower
from frontend.events.watch import REDIS_AGAIN_S, is_finished
from frontend.http.event_stream import COMMENT, EventStream, event, retry
from frontend.http.middleware import encode
from frontend.http.quotas import quotas_of
from frontend.http.request_reader import RequestReader
from frontend.keys.rates import RateClass

LAST_EVENT_ID = "Last-Event-ID"
# So long, up to twice that, clients of a server that stops wait: not all of them ask again at once.
RETRY_MS = 2_000
_read = RequestReader(StatusRequest).read


class StatusEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event of the stream."""

    event: Annotated[Literal["status"], Meta(description="Always the same", examples=["status"])] = "status"
    id: Annotated[
        str,
        Meta(description="Names what is told; to be sent as `Last-Event-ID`", examples=["IN_PROGRESS-0.375"]),
    ]
    data: Annotated[
        str,
        Meta(
            description="What `status` answers at that moment, as JSON in one line",
            examples=['{"status":"IN_PROGRESS","progress":0.375}'],
            extra_json_schema={"contentMediaType": "application/json"},
        ),
    ]


async def events(request: web.Request) -> web.StreamResponse:
    """Raises ApiError."""
    services = request.app[SERVICES]
    key = await admit_with_key(request)
    quotas_of(request).append(await services.rates.admit(key, RateClass.POLLS))
    job_id = _read({"id": request.match_info["id"]}).id
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(services.seats.seat(key.id))
        follower = stack.enter_context(services.watch.following(job_id))
        state = await services.watch.look(job_id, key.id)
        if state is None:
            raise ApiError(400, "Bad ID")
        known = request.headers.get(LAST_EVENT_ID, "")
        if is_finished(state) and event_id(state) == known:
            return web.Response(status=204)
        pieces = _pieces(services, request, follower, state, known)
        close = stack.pop_all().aclose
    return EventStream(pieces, close)


async def _pieces(
    services: Services, request: web.Request, follower: Follower, state: JobState, known: str
) -> AsyncGenerator[bytes, None]:
    """Events and comments. `state`: what stands now. `known`: id of the event that the client has."""
    now = asyncio.get_running_loop().time
    job_id, header, watch = state.job.id, request.headers[hdrs.AUTHORIZATION], services.watch
    silent_since, was_away = now(), False
    while True:
        try:
            key = await services.keys.authorize(header)
            if was_away:  # and a master that took over may know of less
                state, was_away = await watch.look(job_id, key.id) or state, False
            if event_id(state) != known:
                answer = await status_answer(services, key, state, services.origins.of(request))
                known, silent_since = event_id(state), now()
                yield event("status", encode(answer), known)
            if is_finished(state):
                return
            if watch.closed:
                yield retry(RETRY_MS + secrets.randbelow(RETRY_MS))
                return
            await watch.change(follower, state, silent_since + watch.look_again_s - now())
            found = await watch.look(job_id, key.id)
        except ApiError:  # the key is disabled
            return
        except RedisError:
            was_away = True
            await follower.change(REDIS_AGAIN_S)
        else:
            if found is None:  # its time is over
                return
            state = found
        if now() - silent_since >= watch.look_again_s:
            silent_since = now()
            yield COMMENT


def event_id(state: JobState) -> str:
    """Names what is told, so it is the same on every server."""
    match state:
        case Queued(position=position):
            return f"IN_QUEUE-{position or 0}"
        case Running(progress=progress):
            return f"IN_PROGRESS-{progress:.3f}"
        case Reviewing():
            return "IN_PROGRESS-1.000"
        case Completed() | Blocked():
            return "COMPLETED"
        case Failed():
            return "FAILED"
        case TimedOut():
            return "TIMED_OUT"
        case Cancelled():
            return "CANCELLED"
        case _:
            assert_never(state)
