"""The fields of a job's hash as one of the states that a job can be in."""

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
    StoredState,
    TimedOut,
)
from frontend.domain.stored_records import decode_picture, decode_verdict


def job_state(
    job: Job,
    state: bytes,
    progress: bytes,
    error: bytes | None,
    picture: bytes | None,
    verdict: bytes | None,
    position: int | None,  # 1 is next
) -> JobState:
    """Raises ValueError where they contradict each other."""
    match StoredState(state.decode()), picture, verdict:
        case StoredState.IN_QUEUE, _, _:
            return Queued(job, position)
        case StoredState.IN_PROGRESS, _, _:
            return Running(job, float(progress))
        case StoredState.FAILED, _, _:
            return Failed(job, error.decode() if error else "")
        case StoredState.TIMED_OUT, _, _:
            return TimedOut(job)
        case StoredState.CANCELLED, _, _:
            return Cancelled(job)
        case StoredState.REVIEWING, bytes(), None:
            return Reviewing(job, decode_picture(picture))
        case StoredState.COMPLETED, bytes(), bytes():
            found = decode_verdict(verdict)
            kind = Completed if found.compliance == "safe" else Blocked
            return kind(job, decode_picture(picture), found)
    raise ValueError(f"job {job.id} is {state.decode()} without what belongs to that")
