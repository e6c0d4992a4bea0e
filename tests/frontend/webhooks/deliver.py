"""A process that delivers webhooks and does nothing else, until it is killed."""

import asyncio

from frontend.common.redis_connection import connect
from frontend.jobs.store import JobStore
from frontend.keys.api_keys import KeyRecord
from frontend.keys.webhook_secrets import WebhookSecretStore
from frontend.settings import load
from frontend.webhooks.backoff import Backoff
from frontend.webhooks.deliverer import Deliverer
from frontend.webhooks.delivery import DeliveryClaim
from frontend.webhooks.receivers import open_receivers
from frontend.webhooks.store import DeliveryStore

ASIDE_S = 0.5  # of a lease, so that what the killed one held is soon found


async def deliver() -> None:
    settings = load()
    redis = connect(settings.redis_url)
    jobs = JobStore(redis, settings)

    async def tell(claim: DeliveryClaim, key: KeyRecord) -> bytes:
        state = await jobs.read(claim.job_id, key.id)
        return f'{{"status": "{type(state).__name__}"}}'.encode()

    async with open_receivers(settings) as receivers:
        backoff = Backoff(settings.webhook_retry_s)
        secrets = WebhookSecretStore(redis)
        deliverer = Deliverer(DeliveryStore(redis), secrets, receivers, tell, backoff, aside_s=ASIDE_S)
        async with deliverer.running():
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(deliver())
