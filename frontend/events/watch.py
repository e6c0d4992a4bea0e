"""Where a job stands, now and as it changes; whoever looks at a made picture has it reviewed."""

import asyncio
import logging
from contextlib import AbstractContextManager
from typing import TypeGuard

from redis.exceptions import RedisError

from frontend.domain.job_state import FinishedState, JobState, Queued, Reviewing
from frontend.events.hub import Follower, Hub
from frontend.jobs.store import JobStore
from frontend.review.reviews import Reviews

log = logging.getLogger(__name__)
# Without news: a message of Redis reaches everyone or nobody, and nothing says that it was lost.
LOOK_AGAIN_S = 15.0
REVIEW_AGAIN_S = 1.5  # longer than reviews rest
REDIS_AGAIN_S = 1.0  # while it is away


def is_finished(state: JobState) -> TypeGuard[FinishedState]:
    return isinstance(state, FinishedState)


class JobWatch:
    def __init__(
        self, jobs: JobStore, reviews: Reviews, hub: Hub, look_again_s: float = LOOK_AGAIN_S
    ) -> None:
        self.look_again_s = look_again_s
        self._jobs = jobs
        self._reviews = reviews
        self._hub = hub

    def close(self) -> None:
        """The server stops: nobody is to wait any longer."""
        self._hub.close()

    @property
    def closed(self) -> bool:
        """Whether the server stops, and nobody is to wait for anything."""
        return self._hub.closed

    async def settle(self, job_id: str, owner: str) -> JobState | None:
        """As a poll sees it: a made picture's verdict is waited for a moment. None: this owner has no such
        job. Raises RedisError."""
        state = await self._jobs.read(job_id, owner)
        if not isinstance(state, Reviewing):
            return state
        await self._reviews.settle(state.job)
        return await self._jobs.read(job_id, owner)

    async def look(self, job_id: str, owner: str) -> JobState | None:
        """As it is; a made picture's review begins, and nobody waits for it. Raises RedisError."""
        state = await self._jobs.read(job_id, owner)
        if isinstance(state, Reviewing):
            self._reviews.begin(state.job)
        return state

    def following(self, job_id: str) -> AbstractContextManager[Follower]:
        """To be entered before the first look, so that no change falls between the two."""
        return self._hub.following(job_id)

    async def change(self, follower: Follower, seen: JobState, within_s: float) -> None:
        """Waits until it is worth to look again at what was `seen`, no longer than `within_s`."""
        follower.waits_in_queue = isinstance(seen, Queued)
        at_most_s = REVIEW_AGAIN_S if isinstance(seen, Reviewing) else self.look_again_s
        await follower.change(max(0.0, min(within_s, at_most_s)))

    async def until_finished(self, job_id: str, owner: str, within_s: float) -> FinishedState | None:
        """Its end, reviewed and all; None: not in that time, not before the server stops, or no such job.

        Goes on while Redis is away.
        """
        now = asyncio.get_running_loop().time
        end = now() + within_s
        with self.following(job_id) as follower:
            while True:
                try:
                    state = await self.look(job_id, owner)
                except RedisError:
                    await asyncio.sleep(min(REDIS_AGAIN_S, max(0.0, end - now())))
                else:
                    if state is None or is_finished(state):
                        return state
                    if self.closed:
                        return None
                    await self.change(follower, state, end - now())
                if self.closed or now() >= end:
                    return None
