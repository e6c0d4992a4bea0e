"""Jobs as they are when they were just accepted, and what can become of them."""

import json
from typing import Literal

from redis.asyncio import Redis

from contract.acs import Category
from frontend.domain.job import CredentialTexts, Job, WatermarkOptions, new_id
from frontend.domain.picture import StoredPicture
from frontend.domain.verdict import Verdict

SHA = "a" * 64


def a_job(owner: str = "studio") -> Job:
    return Job(
        id=f"run_{new_id(20)}",
        gen_id=new_id(20),
        owner=owner,
        time="2026-01-02T03:04:05Z",
        prompt="@aya tree, -rain",
        positive="aya, tree",
        drawn="aya, tree",
        negative="rain",
        character="aya",
        model="eros",
        style="professional",
        width=1344,
        height=768,
        steps=8,
        guidance=3.0,
        seed=1,
        format="jpeg",
        quality=95,
        lossless=False,
        optimized=False,
        compliance_ruleset="default",
        precompliance="",
        watermark=WatermarkOptions(
            position="center", scale=5, transparency=100, rotation=0, padding_x=0, padding_y=0
        ),
        texts=CredentialTexts(author="", title="", description="", organization="", vendor=""),
    )


def a_picture(sha256: str = SHA) -> StoredPicture:
    return StoredPicture(
        sha256=sha256,
        bytes=9,
        key="pictures/p.jpg",
        filename="p.jpg",
        thumbnail_key="pictures/t.jpg",
        thumbnail_filename="t.jpg",
        thumbnail_sha256="b" * 64,
        fingerprint="f" * 64,
        timings_ms={"queue": 1.0},
    )


def a_verdict(sha256: str = SHA, compliance: Literal["safe", "unsafe"] = "safe") -> Verdict:
    unsafe = compliance == "unsafe"
    return Verdict(
        compliance=compliance,
        codes=("weapons",) if unsafe else (),
        categories=(Category(id="weapons", name="Weapons"),) if unsafe else (),
        sha256=sha256,
        ruleset="default",
        when="2026-01-02T03:04:06Z",
    )


async def judged(redis: "Redis", job_id: str, sha256: str = SHA) -> None:
    """What Redis knows of a job with that verdict."""
    verdict = json.dumps({"sha256": sha256})
    await redis.hset(f"imgen:job:{job_id}", mapping={"state": "COMPLETED", "verdict": verdict})
