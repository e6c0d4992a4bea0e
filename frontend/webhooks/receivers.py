"""Clients' servers, which webhooks are sent to."""

import contextlib
import ssl
from collections.abc import AsyncIterator

from frontend.common.errors import SettingError
from frontend.net.guarded_fetcher import GuardedFetcher
from frontend.webhooks.deliverer import AT_A_TIME
from frontend.webhooks.settings import ReceiverSettings


@contextlib.asynccontextmanager
async def open_receivers(settings: ReceiverSettings) -> AsyncIterator[GuardedFetcher]:
    """Raises SettingError."""
    trust = ssl.create_default_context()
    try:
        if settings.webhook_ca.name:
            trust.load_verify_locations(settings.webhook_ca)
    except OSError as error:  # ssl.SSLError is one
        raise SettingError(
            f"IMGEN_WEBHOOK_CA: cannot use {settings.webhook_ca}: {error.strerror or error}"
        ) from None
    async with GuardedFetcher.open(
        settings.private_networks,
        trust=trust,
        timeout_s=settings.webhook_timeout_s,
        at_a_time=AT_A_TIME,
    ) as fetcher:
        yield fetcher
