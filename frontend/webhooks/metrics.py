"""What becomes of webhooks."""

from prometheus_client import Counter, Gauge, Histogram
from redis.asyncio import Redis

from contract.redis_keys import WEBHOOKS_IN_ALL, WEBHOOKS_PENDING

ATTEMPTS = Counter(
    "imgen_webhook_attempts",
    "Attempts of this server to deliver a webhook: delivered, failed (another one follows), given_up",
    ["outcome"],
)
for _outcome in ("delivered", "failed", "given_up"):  # from 0 on, so that the first of each is seen to come
    ATTEMPTS.labels(_outcome)
SECONDS = Histogram(
    "imgen_webhook_attempt_seconds",
    "Time until a webhook's receiver answered, or was given up",
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
)
DELAY_SECONDS = Histogram(
    "imgen_webhook_delay_seconds",
    "Time from the end of a job to its webhook's delivery",
    buckets=(0.1, 0.3, 1, 3, 10, 30, 100, 300, 1_000, 3_600),
)
PENDING = Gauge("imgen_webhooks_pending", "Webhooks that are still to be delivered, over all servers")


async def refresh(redis: "Redis") -> None:
    PENDING.set(int(await redis.hget(WEBHOOKS_PENDING, WEBHOOKS_IN_ALL) or 0))
