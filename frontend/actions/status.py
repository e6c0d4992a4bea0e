"""`status`: where a job stands; the first poll of a made picture has it reviewed."""

import base64
from typing import Annotated, Any, assert_never

import msgspec
from msgspec import UNSET, Meta

from frontend.actions.context import Call, Services
from frontend.actions.status_answer import (
    ID,
    BlockedAnswer,
    CancelledAnswer,
    CompletedAnswer,
    FailedAnswer,
    ImageLink,
    PictureMeta,
    QueuedAnswer,
    RunningAnswer,
    StatusAnswer,
    TimedOutAnswer,
)
from frontend.common.errors import GENERATION_FAILED, ApiError
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
from frontend.domain.picture import StoredPicture
from frontend.domain.verdict import Verdict
from frontend.http.extension import EXTENSION
from frontend.http.lenience import Lenience, Words
from frontend.keys.api_keys import KeyRecord
from frontend.review.links import ClientLinks, ClientUrl

JobId = Annotated[
    str,
    Meta(
        pattern=r"^(run|cache)_[a-z0-9]{16,40}\Z",
        description="Of the job, as `generate` answered it",
        examples=[ID],
    ),
    Words(missing="Bad ID", wrong="Bad ID", trimmed=False, range="as `generate` answered it"),
]
Ignored = Annotated[
    Any, Meta(description="Taken and ignored", examples=["eros"]), Lenience("ignored"), Words(default="none")
]


class StatusRequest(msgspec.Struct, frozen=True, kw_only=True, tag_field="action", tag="status"):
    """Where a job stands. Poll about every second until the status is final."""

    id: JobId
    prompt: Ignored = None
    model: Ignored = None
    download: Annotated[
        bool,
        Meta(
            description="Links have a browser save the files, under their names",
            examples=[True],
            extra_json_schema=EXTENSION,
        ),
    ] = False


async def status(call: Call[StatusRequest]) -> StatusAnswer:
    state = await call.services.watch.settle(call.asked.id, call.key.id)
    if state is None:
        raise ApiError(400, "Bad ID")
    return await status_answer(call.services, call.key, state, call.origin, download=call.asked.download)


async def status_answer(
    services: Services, key: KeyRecord, state: JobState, origin: str, *, download: bool = False
) -> StatusAnswer:
    """What `key` is told of its job, with fresh links. `origin`: what they begin with; `download`: they
    have a browser save the files."""
    match state:
        case Queued(position=position):
            return QueuedAnswer(queue_position=position)
        case Running(progress=progress):
            return RunningAnswer(progress=progress)
        case Reviewing():
            return RunningAnswer(progress=1.0)
        case Completed():
            return completed_answer(state, await services.links.for_client(state, origin, download=download))
        case Blocked():
            link = await services.links.for_moderator(state, origin) if key.unsafe_url else None
            return blocked_answer(state, link)
        case Failed(reason=reason):
            return FailedAnswer(error=reason or GENERATION_FAILED)
        case TimedOut():
            return TimedOutAnswer()
        case Cancelled():
            return CancelledAnswer()
        case _:
            assert_never(state)


def blocked_answer(state: Blocked, link: ClientUrl | None) -> BlockedAnswer:
    return BlockedAnswer(
        error=state.verdict.summary,
        filter_categories=tuple(category.id for category in state.verdict.categories),
        unsafe_url=base64.b64encode(link.encode()).decode() if link else UNSET,
    )


def completed_answer(state: Completed, links: ClientLinks) -> CompletedAnswer:
    job = state.job
    return CompletedAnswer(cache=job.cached or UNSET, meta=_meta(job, state.picture, state.verdict, links))


def _meta(job: Job, picture: StoredPicture, verdict: Verdict, links: ClientLinks) -> PictureMeta:
    watermark, texts = job.watermark, job.texts
    names = ("", "") if job.cached else (picture.filename, picture.thumbnail_filename)
    sampler, _, spacing = picture.sampling.partition(" ")
    return PictureMeta(
        id=job.id,
        gen_id=job.gen_id,
        time=job.time,
        prompt=job.prompt,
        positive=job.positive,
        negative=job.negative,
        drawn=UNSET if job.drawn is None else job.drawn,
        character=job.character,
        model=job.model,
        style=job.style,
        width=job.width,
        height=job.height,
        format=job.format,
        quality=job.quality,
        lossless=job.lossless,
        optimized=job.optimized,
        seed=job.seed,
        steps=job.steps,
        sampler=sampler or job.sampler or UNSET,
        spacing=spacing or job.spacing or UNSET,
        guidance=job.guidance,
        wm_position=watermark.position,
        wm_scale=picture.watermark_scale or watermark.scale,
        wm_transparency=watermark.transparency,
        wm_rotation=watermark.rotation,
        wm_padding_x=watermark.padding_x,
        wm_padding_y=watermark.padding_y,
        cs_author=texts.author,
        cs_title=texts.title,
        cs_description=texts.description,
        cs_organization=texts.organization,
        cs_vendor=texts.vendor,
        compliance_codes=verdict.codes,
        compliance_ruleset=job.compliance_ruleset,
        precompliance=job.precompliance,
        fingerprint=picture.fingerprint,
        images=(
            ImageLink(url=links.picture, filename=names[0], type="signed"),
            ImageLink(url=links.thumbnail, filename=names[1], type="thumbnail"),
        ),
        enable_invisimark=bool(picture.invisible_id),  # pictures of older versions have none
        weights=picture.weights,
        runtime=picture.runtime or UNSET,
        timings={**picture.timings_ms, "review": verdict.took_ms},
    )
