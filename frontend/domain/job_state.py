"""Where a job stands: one consistent reading of it, with what each state has and no other."""

from dataclasses import dataclass
from enum import StrEnum

from frontend.domain.job import Job
from frontend.domain.picture import StoredPicture
from frontend.domain.verdict import Verdict


class StoredState(StrEnum):
    """As the job's hash in Redis says it."""

    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    REVIEWING = "REVIEWING"  # made, not yet judged; clients see IN_PROGRESS
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    CANCELLED = "CANCELLED"

    @property
    def finished(self) -> bool:
        return self not in (StoredState.IN_QUEUE, StoredState.IN_PROGRESS, StoredState.REVIEWING)


@dataclass(frozen=True)
class Queued:
    job: Job
    position: int | None  # 1 is next; None in the moment between two places


@dataclass(frozen=True)
class Running:
    job: Job
    progress: float  # 0 to 1


@dataclass(frozen=True)
class Reviewing:
    """Made, and waiting for its verdict."""

    job: Job
    picture: StoredPicture


@dataclass(frozen=True)
class Completed:
    job: Job
    picture: StoredPicture
    verdict: Verdict  # safe


@dataclass(frozen=True)
class Blocked:
    job: Job
    picture: StoredPicture
    verdict: Verdict  # unsafe


@dataclass(frozen=True)
class Failed:
    job: Job
    reason: str  # in words for the client; "" for none


@dataclass(frozen=True)
class TimedOut:
    job: Job


@dataclass(frozen=True)
class Cancelled:
    job: Job


FinishedState = Completed | Blocked | Failed | TimedOut | Cancelled
JobState = Queued | Running | Reviewing | Completed | Blocked | Failed | TimedOut | Cancelled
