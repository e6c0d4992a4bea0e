"""Whether an order may have a webhook; whether its address can be reached is known when it is tried."""

from frontend.common.errors import ApiError
from frontend.domain.webhook import Webhook
from frontend.keys.webhook_secrets import WebhookSecretStore
from frontend.net.guarded_fetcher import GuardedFetcher, Unreachable

HOW_TO_MAKE_ONE = "whoever runs the server makes it: imgen keys webhook-secret NAME"


class WebhookAdmission:
    def __init__(self, fetcher: GuardedFetcher, secrets: WebhookSecretStore) -> None:
        self._fetcher = fetcher
        self._secrets = secrets

    async def admit(self, owner: str, url: str, origin: str) -> Webhook | None:
        """None where none is asked for. Raises ApiError 400; RedisError."""
        if not url:
            return None
        try:
            self._fetcher.check(url)
        except Unreachable:
            raise ApiError(400, "Invalid webhook_url: expected https URL of a public address") from None
        if not await self._secrets.has(owner):  # it could not be signed
            raise ApiError(400, "Webhook secret is missing", detail=HOW_TO_MAKE_ONE)
        return Webhook(url=url, origin=origin)
