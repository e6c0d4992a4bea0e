"""`cancel`: stops a job that has not finished."""

from typing import Any

from frontend.actions.context import Call
from frontend.actions.status import job_id
from frontend.common.errors import ApiError


async def cancel(call: Call) -> dict[str, Any]:
    found = await call.services.jobs.cancel(job_id(call.body), call.key.id)
    if found is None:
        raise ApiError(400, "Bad ID")
    if found.finished:
        raise ApiError(409, f"Job is already {found}")
    return {"status": "CANCELLED"}
