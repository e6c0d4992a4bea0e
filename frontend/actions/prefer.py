"""`Prefer: wait=N` on `generate` (RFC 7240): the answer is the job's end, if that comes in time."""

import contextlib
import re
from collections.abc import Iterable

from aiohttp import hdrs, web
from redis.exceptions import RedisError

from frontend.actions.context import Services
from frontend.actions.generate import GenerateAnswer
from frontend.actions.status import status_answer
from frontend.common.errors import ApiError
from frontend.http.departure import while_connected
from frontend.http.middleware import json_response
from frontend.keys.api_keys import KeyRecord

PREFER, APPLIED = "Prefer", "Preference-Applied"
MAX_WAIT_S = 60
_WAIT = re.compile(r'wait\s*=\s*("?)([0-9]{1,9})\1', re.IGNORECASE)


def preferred_wait(headers: Iterable[str]) -> int:
    """Seconds, at most a minute; 0: none are asked for. A preference that is not understood is ignored."""
    for preference in ",".join(headers).split(","):
        if found := _WAIT.fullmatch(preference.partition(";")[0].strip()):
            return min(int(found[2]), MAX_WAIT_S)
    return 0


async def wait_for_end(
    request: web.Request, services: Services, key: KeyRecord, accepted: GenerateAnswer
) -> web.Response | None:
    """None: it was not asked for, did not come in time, or as many wait already as may."""
    wait_s = preferred_wait(request.headers.getall(PREFER, ()))
    if not wait_s:
        return None
    # Whatever happens, the order stands, and its id is to be told.
    with contextlib.suppress(ApiError, ConnectionResetError, RedisError):
        with services.seats.seat(key.id), while_connected(request):
            state = await services.watch.until_finished(accepted.id, key.id, wait_s)
        if state:
            key = await services.keys.authorize(request.headers[hdrs.AUTHORIZATION])
            answer = await status_answer(services, key, state, services.origins.of(request))
            return json_response(answer, headers={APPLIED: f"wait={wait_s}"})
    return None
