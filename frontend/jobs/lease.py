"""A worker's lease on a job: renewed while it works, and the end of the work when it is lost."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from redis.exceptions import RedisError

from frontend.jobs.claim import Claim
from frontend.jobs.store import JobStore


class LeaseLost(Exception):
    """The job is no longer this worker's: cancelled, timed out, or taken over."""


@contextlib.asynccontextmanager
async def hold_lease(jobs: JobStore, claim: Claim, lease_s: float) -> AsyncIterator[None]:
    """Renews the lease while its body runs, and ends it with LeaseLost when that fails for a whole lease."""
    body = asyncio.current_task()
    assert body is not None
    lost = asyncio.create_task(_renew_until_lost(jobs, claim, lease_s))
    ended_here = False

    def end_body(task: asyncio.Task[None]) -> None:
        nonlocal ended_here
        if not task.cancelled():
            ended_here = True
            body.cancel()

    lost.add_done_callback(end_body)
    try:
        yield
    except asyncio.CancelledError:
        if not ended_here or body.uncancel() > 0:
            raise
        raise LeaseLost from None
    finally:
        lost.remove_done_callback(end_body)
        lost.cancel()


async def _renew_until_lost(jobs: JobStore, claim: Claim, lease_s: float) -> None:
    renewed = time.monotonic()
    while time.monotonic() - renewed < lease_s:
        await asyncio.sleep(lease_s / 4)
        with contextlib.suppress(RedisError):
            if not await jobs.beat(claim):
                return
            renewed = time.monotonic()
