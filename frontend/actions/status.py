"""`status`: where a job stands; the first poll of a made picture has it reviewed."""

import base64
import re
from typing import Any, assert_never

from frontend.actions.context import Call
from frontend.common.errors import ApiError
from frontend.domain.job import Job
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
from frontend.http.fields import Body
from frontend.review.links import ClientLinks, ClientUrl

_ID = re.compile(r"(run|cache)_[a-z0-9]{16,40}")


def job_id(body: Body) -> str:
    value = body.get("id")
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ApiError(400, "Bad ID")
    return value


async def status(call: Call) -> dict[str, Any]:
    services = call.services
    state = await _read(call)
    if isinstance(state, Reviewing):
        await services.reviews.settle(state.job)
        state = await _read(call)
    match state:
        case Queued(position=position):
            return {"status": "IN_QUEUE", "progress": 0.0, "queue_position": position}
        case Running(progress=progress):
            return {"status": "IN_PROGRESS", "progress": progress}
        case Reviewing():
            return {"status": "IN_PROGRESS", "progress": 1.0}
        case Completed():
            return completed_body(state, await services.links.for_client(state, call.origin))
        case Blocked():
            told = call.key.unsafe_url
            link = await services.links.for_moderator(state, call.origin) if told else None
            return blocked_body(state, link)
        case Failed(reason=reason):
            return {"status": "FAILED", "error": reason or "Generation failed"}
        case TimedOut():
            return {"status": "TIMED_OUT", "error": "Generation timed out"}
        case Cancelled():
            return {"status": "CANCELLED"}
        case _:
            assert_never(state)


async def _read(call: Call) -> JobState:
    state = await call.services.jobs.read(job_id(call.body), call.key.id)
    if state is None:
        raise ApiError(400, "Bad ID")
    return state


def blocked_body(state: Blocked, link: ClientUrl | None) -> dict[str, Any]:
    body = {
        "status": "COMPLETED",
        "compliance": "unsafe",
        "error": state.verdict.summary,
        "filter_categories": [category.id for category in state.verdict.categories],
    }
    return body | ({"unsafe_url": base64.b64encode(link.encode()).decode()} if link else {})


def completed_body(state: Completed, links: ClientLinks) -> dict[str, Any]:
    job, picture, verdict = state.job, state.picture, state.verdict
    names = ("", "") if job.cached else (picture.filename, picture.thumbnail_filename)
    meta = {
        **_job_meta(job),
        "wm_scale": picture.watermark_scale or job.watermark.scale,
        "compliance": "safe",
        "compliance_codes": list(verdict.codes),
        "compliance_ruleset": job.compliance_ruleset,
        "precompliance": job.precompliance,
        "fingerprint": picture.fingerprint,
        "images": [
            {"url": links.picture, "filename": names[0], "type": "signed"},
            {"url": links.thumbnail, "filename": names[1], "type": "thumbnail"},
        ],
        "enable_invisimark": bool(picture.invisible_id),  # pictures of older versions have none
        "enable_c2pa": True,
        "compute_pdq": True,
        "weights": picture.weights,
        "timings": {**picture.timings_ms, "review": verdict.took_ms},
    }
    return {"status": "COMPLETED", **({"cache": True} if job.cached else {}), "meta": meta}


def _job_meta(job: Job) -> dict[str, Any]:
    """The part of `meta` that was known when the job was accepted."""
    watermark, texts = job.watermark, job.texts
    return {
        "id": job.id,
        "gen_id": job.gen_id,
        "time": job.time,
        "prompt": job.prompt,
        "positive": job.positive,
        "negative": job.negative,
        **({} if job.drawn is None else {"drawn": job.drawn}),
        "character": job.character,
        "model": job.model,
        "style": job.style,
        "width": job.width,
        "height": job.height,
        "format": job.format,
        "quality": job.quality,
        "lossless": job.lossless,
        "optimized": job.optimized,
        "seed": job.seed,
        "steps": job.steps,
        "wm_position": watermark.position,
        "wm_transparency": watermark.transparency,
        "wm_rotation": watermark.rotation,
        "wm_padding_x": watermark.padding_x,
        "wm_padding_y": watermark.padding_y,
        "cs_author": texts.author,
        "cs_title": texts.title,
        "cs_description": texts.description,
        "cs_organization": texts.organization,
        "cs_vendor": texts.vendor,
    }
