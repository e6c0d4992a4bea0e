"""Delivers webhooks, at least once each: whoever has one claimed tries it, and tells what came of it."""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import aiohttp
from redis.exceptions import RedisError

from frontend.common.supervised import SupervisedLoop, in_background
from frontend.keys.api_keys import KeyRecord
from frontend.keys.webhook_secrets import WebhookSecretStore
from frontend.net.guarded_fetcher import GuardedFetcher, Unreachable
from frontend.webhooks import metrics
from frontend.webhooks.backoff import Backoff
from frontend.webhooks.delivery import DeliveryClaim, DeliveryState
from frontend.webhooks.store import DeliveryStore

log = logging.getLogger(__name__)
AT_A_TIME = 128  # of this process; a lane's part is small, so that a slow receiver keeps few places
OF_ONE_LANE = 4
LOOK_S = 0.25  # between two looks for what is due
REVIEW_AGAIN_S = 1.5  # longer than reviews rest
ASIDE_S = 20.0  # of a lease: what is to be told, and telling what came of it
STOP_S = 5.0  # for attempts under way when the server stops


class NothingToTell(Exception):
    """There never will be. Its words say why."""


Tell = Callable[[DeliveryClaim, KeyRecord], Awaitable[bytes | None]]
"""What the receiver is told, as JSON: what a poll of this key is answered. None: the job has not ended yet.
Raises NothingToTell."""


class Deliverer:
    def __init__(
        self,
        store: DeliveryStore,
        secrets: WebhookSecretStore,
        fetcher: GuardedFetcher,
        tell: Tell,
        backoff: Backoff,
        *,
        aside_s: float = ASIDE_S,
    ) -> None:
        self._store = store
        self._secrets = secrets
        self._fetcher = fetcher
        self._tell = tell
        self._backoff = backoff
        self._lease_s = fetcher.timeout_s + aside_s
        self._lanes: Counter[str] = Counter()  # attempts under way
        self._has_room = asyncio.Event()  # more than at the last look
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        loop = SupervisedLoop("webhooks are not delivered", self._turn, log)
        try:
            async with in_background(loop.run()):
                yield
        finally:
            await self._stop()

    async def _stop(self) -> None:
        """What ends soon may end; the rest is given back, and another server tries it at once."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _turn(self) -> None:
        claims = await self._claim() if len(self._tasks) < AT_A_TIME else []
        for claim in claims:
            self._start(claim)
        if not claims:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._has_room.wait()
        self._has_room.clear()

    async def _claim(self) -> list[DeliveryClaim]:
        """Runs to its end even while stopping: what nobody saw would wait for its lease."""
        left = {lane: OF_ONE_LANE - count for lane, count in self._lanes.items()}
        most = AT_A_TIME - len(self._tasks)
        look = asyncio.ensure_future(self._store.claim(self._lease_s, most, OF_ONE_LANE, left))
        try:
            return await asyncio.shield(look)
        except asyncio.CancelledError:
            with contextlib.suppress(Exception):
                for claim in await look:
                    await self._store.wait(claim, 0)
            raise

    def _start(self, claim: DeliveryClaim) -> None:
        self._lanes[claim.lane] += 1
        task = asyncio.create_task(self._attempt(claim))
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._end(task, claim.lane))

    def _end(self, task: "asyncio.Task[None]", lane: str) -> None:
        self._tasks.discard(task)
        self._lanes[lane] -= 1
        if not self._lanes[lane]:
            del self._lanes[lane]
        self._has_room.set()

    async def _attempt(self, claim: DeliveryClaim) -> None:
        """However it ends, the delivery has ended, is due again, or is found by its lease's end."""
        try:
            async with asyncio.timeout(self._lease_s):
                await self._deliver(claim)
        except asyncio.CancelledError:
            with contextlib.suppress(RedisError):
                await self._store.wait(claim, 0)
            raise
        except (RedisError, TimeoutError) as error:
            log.warning("webhook of %s, attempt %d: %s", claim.job_id, claim.attempt, error)
        except Exception:
            log.exception("webhook of %s, attempt %d", claim.job_id, claim.attempt)
            with contextlib.suppress(RedisError):
                await self._fail(claim, "internal error")

    async def _deliver(self, claim: DeliveryClaim) -> None:
        known = await self._secrets.of(claim.owner)
        if known is None or known[0].disabled:
            await self._give_up(claim, "the key is disabled" if known else "the key has no secret")
            return
        key, signing = known
        try:
            body = await self._tell(claim, key)
        except NothingToTell as error:
            await self._give_up(claim, str(error))
            return
        if body is None:
            await self._store.wait(claim, REVIEW_AGAIN_S)
            return
        await self._settle(claim, await self._post(claim, body, signing.sign(claim.job_id, body, _now())))

    async def _post(self, claim: DeliveryClaim, body: bytes, signed: dict[str, str]) -> int | str:
        """The receiver's status, or why there is none."""
        headers = {"Content-Type": "application/json", "User-Agent": "imgen", **signed}
        with metrics.SECONDS.time():
            try:
                return await self._fetcher.post(claim.webhook.url, body, headers)
            except Unreachable as error:
                return reason(error)

    async def _settle(self, claim: DeliveryClaim, answer: int | str) -> None:
        if isinstance(answer, int) and 200 <= answer < 300:
            if await self._store.tried(claim, DeliveryState.DELIVERED, str(answer)):
                metrics.ATTEMPTS.labels("delivered").inc()
                metrics.DELAY_SECONDS.observe(max(0.0, time.time() - claim.began))
                log.info("webhook of %s: delivered by attempt %d", claim.job_id, claim.attempt)
        elif answer == 410:
            await self._give_up(claim, "410: the receiver wants no more")
        else:
            await self._fail(claim, str(answer))

    async def _fail(self, claim: DeliveryClaim, outcome: str) -> None:
        """Another attempt follows, as long as there is time for one."""
        wait_s = self._backoff.wait_s(claim.tries + 1)
        if time.time() + wait_s > claim.began + self._backoff.within_s:
            await self._give_up(claim, outcome)
        elif await self._store.tried(claim, DeliveryState.PENDING, outcome, wait_s):
            metrics.ATTEMPTS.labels("failed").inc()
            log.info("webhook of %s, attempt %d: %s", claim.job_id, claim.attempt, outcome)

    async def _give_up(self, claim: DeliveryClaim, outcome: str) -> None:
        if await self._store.tried(claim, DeliveryState.GIVEN_UP, outcome):
            metrics.ATTEMPTS.labels("given_up").inc()
            log.warning("webhook of %s: given up: %s", claim.job_id, outcome)


def reason(error: Unreachable) -> str:
    """For operators: never the address, which may hold a client's secret."""
    match error.__cause__:
        case None:
            return "not an address that may be called"
        case TimeoutError():
            return "no answer in time"
        case aiohttp.ClientSSLError():
            return "no TLS with a certificate that is valid here"
        case aiohttp.ClientConnectorError():
            return "no connection to a public address"
    return "the connection broke"


def _now() -> datetime:
    return datetime.now(UTC)
