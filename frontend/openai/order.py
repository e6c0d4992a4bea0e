"""Pictures that are asked for together: so many ordinary jobs of the key, waited for as one."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from redis.exceptions import RedisError

from contract.limits import MAX_SEED
from frontend.actions.context import Call, Services
from frontend.actions.generate import MAX_NOTES, RANDOM_SEEDS, GenerateAnswer, generate
from frontend.actions.generate_request import GenerateRequest
from frontend.common.errors import GENERATION_FAILED, ApiError
from frontend.domain.job_state import Blocked, Completed, Failed, FinishedState, TimedOut
from frontend.http.openai_error import MODERATION_BLOCKED, NEVER_AGAIN
from frontend.jobs.idempotency_key import IdempotencyKey
from frontend.keys.api_keys import KeyRecord
from frontend.openai.images_request import ImagesRequest

MAX_WAIT_S = 590.0  # OpenAI's clients give up after ten minutes
REVIEWED_S = 15.0  # after a job's deadline it is told what became of it
LATE = "Generation timed out"
End = FinishedState | None
"""None: it was not waited for any longer."""


@dataclass
class ImageOrder:
    """Its jobs are withdrawn when nobody waits for them any more, as nobody else knows their names; unless an
    idempotency key has it that the same order may be asked for again."""

    services: Services
    key: KeyRecord
    asked: ImagesRequest
    repeat: IdempotencyKey | None
    jobs: list[GenerateAnswer] = field(default_factory=list)

    async def accept(self) -> None:
        """All of its jobs; where one is refused, the others are to be withdrawn. Raises ApiError."""
        asked = self.asked
        first = secrets.randbelow(RANDOM_SEEDS) if asked.seed < 0 else asked.seed
        try:
            for number in range(asked.n):
                self.jobs.append(await self._accept_one(number, (first + number) % (MAX_SEED + 1)))
        except ApiError as error:
            if error.status != 400:
                raise
            # All else has been read before.
            raise ApiError(400, error.message, detail=error.detail, param="prompt") from None

    async def _accept_one(self, number: int, seed: int) -> GenerateAnswer:
        asked, repeat = self.asked, self.repeat
        width, height = asked.drawn_size
        order = GenerateRequest(
            prompt=asked.prompt,
            model=asked.model,
            style=asked.style,
            width=width,
            height=height,
            format=asked.output_format,
            quality=max(1, asked.output_compression),
            seed=seed,
            idempotency_key=f"images {number} {repeat.key}" if repeat else "",
        )
        body = {"images": repeat.body} if repeat else {}
        return await generate(Call(self.services, self.key, order, body))

    async def ends(self) -> AsyncGenerator[tuple[int, End] | None, None]:
        """Each job's number and end, as they come; None where nothing came for a while."""
        watch, owner = self.services.watch, self.key.id
        wait_s = min(MAX_WAIT_S, self.services.jobs.deadline_s + REVIEWED_S)
        waits = [asyncio.create_task(watch.until_finished(job.id, owner, wait_s)) for job in self.jobs]
        pending = set(waits)
        try:
            while pending:
                done, pending = await asyncio.wait(
                    pending, timeout=watch.look_again_s, return_when=asyncio.FIRST_COMPLETED
                )
                if not done:
                    yield None
                for wait in done:
                    yield waits.index(wait), wait.result()
        finally:
            for wait in pending:
                wait.cancel()

    async def withdraw(self) -> None:
        """What has ended stays as it is."""
        if self.repeat is None:
            with contextlib.suppress(RedisError):
                for job in self.jobs:
                    await self.services.jobs.cancel(job.id, self.key.id)

    def refusal(self, ends: list[End]) -> ApiError:
        """Why there is no picture. `ends`: none of a safe one."""
        assert not any(isinstance(end, Completed) for end in ends)
        for end in ends:
            if isinstance(end, Blocked):
                return ApiError(400, end.verdict.summary, code=MODERATION_BLOCKED)
        if self.services.watch.closed:
            return ApiError(503, "Server is shutting down", {"Retry-After": "5"})
        if any(end is None or isinstance(end, TimedOut) for end in ends):
            return ApiError(504, LATE, NEVER_AGAIN)
        reasons = [end.reason for end in ends if isinstance(end, Failed) and end.reason]
        return ApiError(502, reasons[0] if reasons else GENERATION_FAILED, NEVER_AGAIN)

    def notes_of(self, ends: list[End]) -> tuple[str, ...]:
        """A line for each picture that is missing in the answer, and what the prompt was told."""
        missing = [self.refusal([end]).message for end in ends if not isinstance(end, Completed)]
        lines = [f"One picture of {len(ends)} was left out: {reason}" for reason in missing]
        return (*lines, *(self.jobs[0].notes or ()))[:MAX_NOTES]
