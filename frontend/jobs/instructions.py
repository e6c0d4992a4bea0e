"""What each stage of a picture is told, from the job's record and from what the stages before it made."""

from frontend.domain.inference_error import FailureScope, InferenceError
from frontend.domain.job import Job
from frontend.domain.picture import (
    Credentials,
    Encoding,
    Finished,
    Picture,
    PictureOrder,
    StoredPicture,
    Watermark,
)
from frontend.jobs.claim import Claim


def order(job: Job) -> PictureOrder:
    """Raises InferenceError for a job of an older version: what it would draw is not what it would tell."""
    if job.drawn is None:
        raise InferenceError("the job does not say what is drawn", FailureScope.ORDER)
    return PictureOrder(
        prompt=job.drawn,
        negative=job.negative,
        model=job.model,
        character=job.character,
        width=job.width,
        height=job.height,
        steps=job.steps,
        guidance=job.guidance,
        seed=job.seed,
        style=job.style if job.style_strength else "",
        style_strength=job.style_strength,
        sampler=job.sampler,
        spacing=job.spacing,
    )


def watermark(claim: Claim) -> Watermark | None:
    options = claim.job.watermark
    if not claim.watermark:
        return None
    return Watermark(
        image=claim.watermark,
        position=options.position,
        scale=options.scale,
        opacity=options.transparency,
        rotation=options.rotation,
        padding_x=options.padding_x,
        padding_y=options.padding_y,
    )


def encoding(job: Job) -> Encoding:
    return Encoding(format=job.format, quality=job.quality, lossless=job.lossless)


def credentials(job: Job, picture: Picture, invisible_id: int) -> Credentials:
    """`invisible_id`: what the invisible mark of this attempt says, 64 bits."""
    return Credentials(
        gen_id=job.gen_id,
        author=job.texts.author,
        title=job.texts.title,
        description=job.texts.description,
        organization=job.texts.organization,
        vendor=job.texts.vendor,
        model=job.model,
        character=job.character,
        rights=job.rights,
        depicts=job.depicts,
        seed=job.seed,
        ruleset=job.compliance_ruleset,
        weights=picture.weights,
        runtime=picture.runtime,
        sampling=picture.sampling,
        steps=job.steps,
        guidance=job.guidance,
        invisible_id=f"{invisible_id:016x}",
        prompt=job.prompt,
        when=job.time,
    )


def timings(claim: Claim, picture: Picture, finished: Finished) -> dict[str, float]:
    made = {"queue": claim.queue_ms, **picture.timings_ms, "finish": sum(finished.timings_ms.values())}
    return {name: round(value, 1) for name, value in made.items()}


def locate(claim: Claim, finished: Finished, timings_ms: dict[str, float], picture: Picture) -> StoredPicture:
    """The start is part of the key, so a stale worker can never overwrite or delete the files of another."""
    job = claim.job
    folder = f"pictures/{job.time[:10].replace('-', '/')}/{job.gen_id}/{claim.attempt}-{claim.token}"
    stem, extension = f"{job.gen_id}_{finished.fingerprint}_00001", finished.picture.extension
    filename, thumbnail = f"{stem}.{extension}", f"{stem}_thumb.{finished.thumbnail.extension}"
    return StoredPicture(
        sha256=finished.picture.sha256,
        bytes=len(finished.picture.data),
        key=f"{folder}/{filename}",
        filename=filename,
        thumbnail_key=f"{folder}/{thumbnail}",
        thumbnail_filename=thumbnail,
        thumbnail_sha256=finished.thumbnail.sha256,
        fingerprint=finished.fingerprint,
        fingerprint_quality=finished.fingerprint_quality,
        luma_grid=finished.luma_grid,
        invisible_id=finished.invisible_id,
        invisible_key=finished.invisible_key,
        tells_prompt=finished.tells_prompt,
        watermark_share=finished.watermark_share,
        watermark_scale=finished.watermark_scale,
        timings_ms=timings_ms,
        weights=dict(picture.weights),
        runtime=picture.runtime,
        sampling=picture.sampling,
    )
