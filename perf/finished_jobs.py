"""Jobs as a busy day leaves them behind: accepted, made, judged; through the store, nothing is drawn."""

from frontend.actions.generate import plan
from frontend.actions.generate_request import GenerateRequest
from frontend.catalogue.catalogue import Catalogue
from frontend.domain.job import CredentialTexts
from frontend.domain.picture import StoredPicture
from frontend.domain.verdict import Verdict
from frontend.jobs.claim import Claim
from frontend.jobs.store import JobStore
from frontend.prompts.prompt import read

PROMPT = "@aya reading a book under a tree, warm lighting, soft colours, -rain, -blurry"
SHA256 = "0" * 64
CONSUMER = "bench"
OTHER_WORKER = "another worker is at this Redis; the benchmark needs one of its own"

NO_TEXTS = CredentialTexts(author="", title="", description="", organization="", vendor="")


async def finish_jobs(
    jobs: JobStore, catalogue: Catalogue, texts: CredentialTexts, owner: str, count: int
) -> list[str]:
    """The ids of `count` new finished jobs of this key."""
    return [await _finished(jobs, catalogue, texts, owner) for _ in range(count)]


async def _finished(jobs: JobStore, catalogue: Catalogue, texts: CredentialTexts, owner: str) -> str:
    claim = await begin_job(jobs, catalogue, texts, owner)
    if not await jobs.made(claim, _picture(claim)):
        raise RuntimeError(OTHER_WORKER)
    await jobs.judge(claim.job.id, _verdict())
    return claim.job.id


async def begin_job(jobs: JobStore, catalogue: Catalogue, texts: CredentialTexts, owner: str) -> Claim:
    """A new job of this key, at work."""
    request = GenerateRequest(prompt=PROMPT)
    asked = read(request.prompt, catalogue.characters_of(catalogue.model(None).name))
    job = plan(request, asked, catalogue, texts, owner)
    await jobs.accept(job, b"", None)
    claim = await jobs.next(CONSUMER, wait_ms=1000)
    if claim is None:
        raise RuntimeError(OTHER_WORKER)
    return claim


def _picture(claim: Claim) -> StoredPicture:
    job = claim.job
    folder = f"pictures/{job.time[:10].replace('-', '/')}/{job.gen_id}/1"
    stem = f"{job.gen_id}_{'a5' * 32}_00001"
    return StoredPicture(
        sha256=SHA256,
        bytes=480_000,
        key=f"{folder}/{stem}.jpg",
        filename=f"{stem}.jpg",
        thumbnail_key=f"{folder}/{stem}_thumb.jpg",
        thumbnail_filename=f"{stem}_thumb.jpg",
        thumbnail_sha256=SHA256,
        fingerprint="a5" * 32,
        weights={"engine": "e" * 64, "base": "b" * 64, "lora": "c" * 64},
        timings_ms={"queue": 3.2, "encode": 41.0, "denoise": 2901.5, "decode": 702.8, "finish": 240.1},
    )


def _verdict() -> Verdict:
    return Verdict(
        compliance="safe",
        codes=(),
        categories=(),
        sha256=SHA256,
        ruleset="default",
        when="2026-01-01T00:00:00Z",
        took_ms=180.4,
    )
