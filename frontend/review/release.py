"""What stands before every way that a judged picture leaves by: its verdict, and the entry that tells it."""

from frontend.audit.log import AuditLog
from frontend.domain.job_state import Blocked, Completed


class Unreviewed(Exception):
    """There is no verdict on these bytes, so they do not leave."""


async def release(audit: AuditLog, state: Completed | Blocked) -> None:
    """No release without its entry in the audit log. Raises Unreviewed, RedisError."""
    job, picture = state.job, state.picture
    if state.verdict.sha256 != picture.sha256:
        raise Unreviewed(job.id)
    await audit.release(job.gen_id, job.owner, job.id, picture.sha256, state.verdict.compliance)
