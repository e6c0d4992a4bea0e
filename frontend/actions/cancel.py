"""`cancel`: stops a job that has not finished."""

import msgspec

from frontend.actions.context import Call
from frontend.actions.status import JobId
from frontend.actions.status_answer import CancelledAnswer
from frontend.common.errors import ApiError


class CancelRequest(msgspec.Struct, frozen=True, kw_only=True, tag_field="action", tag="cancel"):
    """Stops a job at its next denoising step, and frees its place."""

    id: JobId


async def cancel(call: Call[CancelRequest]) -> CancelledAnswer:
    found = await call.services.jobs.cancel(call.asked.id, call.key.id)
    if found is None:
        raise ApiError(400, "Bad ID")
    if found.finished:
        raise ApiError(409, f"Job is already {found}")
    return CancelledAnswer()
