"""`status`: where a job stands; the first poll of a made picture has it reviewed."""

import base64
import re
from typing import Any

from frontend.actions.context import Call
from frontend.common.errors import ApiError
from frontend.domain.job import Job, JobView, State
from frontend.http.fields import Body
from frontend.review.links import ClientLinks

_ID = re.compile(r"(run|cache)_[a-z0-9]{16,40}")


def job_id(body: Body) -> str:
    value = body.get("id")
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ApiError(400, "Bad ID")
    return value


async def status(call: Call) -> dict[str, Any]:
    services = call.services
    view = await _view(call)
    if view.state is State.REVIEWING:
        await services.reviews.settle(view)
        view = await _view(call)
    if view.state is not State.COMPLETED:
        return unfinished(view)
    links = await services.links.for_client(view)
    return (
        blocked(view, links)
        if view.verdict and view.verdict.compliance == "unsafe"
        else completed(view, links)
    )


async def _view(call: Call) -> JobView:
    view = await call.services.jobs.view(job_id(call.body), call.key.id)
    if view is None:
        raise ApiError(400, "Bad ID")
    return view


def unfinished(view: JobView) -> dict[str, Any]:
    match view.state:
        case State.IN_QUEUE:
            return {"status": "IN_QUEUE", "progress": 0.0, "queue_position": view.queue_position}
        case State.IN_PROGRESS | State.REVIEWING:
            return {"status": "IN_PROGRESS", "progress": view.progress}
        case State.TIMED_OUT:
            return {"status": "TIMED_OUT", "error": "Generation timed out"}
        case State.FAILED:
            return {"status": "FAILED", "error": view.error or "Generation failed"}
    return {"status": str(view.state)}


def blocked(view: JobView, links: ClientLinks) -> dict[str, Any]:
    assert view.verdict is not None
    return {
        "status": "COMPLETED",
        "compliance": "unsafe",
        "error": view.verdict.summary,
        "filter_categories": [category.id for category in view.verdict.categories],
        "unsafe_url": base64.b64encode(links.picture.encode()).decode(),
    }


def completed(view: JobView, links: ClientLinks) -> dict[str, Any]:
    assert view.picture is not None
    assert view.verdict is not None
    picture, verdict = view.picture, view.verdict
    meta = {
        **ordered(view.job),
        "compliance": "safe",
        "compliance_codes": list(verdict.codes),
        "compliance_ruleset": view.job.compliance_ruleset,
        "precompliance": view.job.precompliance,
        "fingerprint": picture.fingerprint,
        "images": [
            {"url": links.picture, "filename": picture.filename, "type": "signed"},
            {"url": links.thumbnail, "filename": picture.thumbnail_filename, "type": "thumbnail"},
        ],
        "enable_invisimark": bool(picture.mark),  # pictures of older versions have none
        "enable_c2pa": True,
        "compute_pdq": True,
        "weights": picture.weights,
        "timings": {**picture.timings_ms, "review": verdict.took_ms},
    }
    return {"status": "COMPLETED", **({"cache": True} if view.job.cached else {}), "meta": meta}


def ordered(job: Job) -> dict[str, Any]:
    """The part of `meta` that was known when the job was accepted."""
    mark, texts = job.mark, job.texts
    return {
        "id": job.id,
        "gen_id": job.gen_id,
        "time": job.time,
        "prompt": job.prompt,
        "positive": job.positive,
        "negative": job.negative,
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
        "wm_position": mark.position,
        "wm_scale": mark.scale,
        "wm_transparency": mark.transparency,
        "wm_rotation": mark.rotation,
        "wm_padding_x": mark.padding_x,
        "wm_padding_y": mark.padding_y,
        "cs_author": texts.author,
        "cs_title": texts.title,
        "cs_description": texts.description,
        "cs_organization": texts.organization,
        "cs_vendor": texts.vendor,
    }
