"""What a worker holds of a job."""

from dataclasses import dataclass

from frontend.domain.job import Job


@dataclass(frozen=True)
class Claim:
    """The right of one worker to write to one job, until its lease ends or a newer attempt begins."""

    job: Job
    attempt: int
    token: str  # of this start alone: what is written with it counts only while it is the newest start's
    watermark: bytes  # image, b"" for none
    queue_ms: float
    consumer: str
