"""Who signs, by the settings: certificate, key or signing process, timestamps; opened and closed together."""

import asyncio
import contextlib
import datetime
import logging
from collections.abc import AsyncIterator

from frontend.finishing.certificate import load_certificate
from frontend.finishing.credentials import Signatory
from frontend.finishing.remote_key import open_remote_key
from frontend.finishing.settings import FinishingSettings
from frontend.finishing.timestamps import open_timestamps

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def open_signatory(settings: FinishingSettings) -> AsyncIterator[Signatory]:
    """Raises SettingError where it could not sign."""
    certificate = await asyncio.to_thread(load_certificate, settings)
    if warning := certificate.warning(datetime.datetime.now(datetime.UTC)):
        log.warning("%s", warning)
    async with contextlib.AsyncExitStack() as stack:
        remote_key = None
        if settings.c2pa_signer:
            remote_key = await stack.enter_async_context(open_remote_key(settings, certificate))
        timestamps = await stack.enter_async_context(open_timestamps(settings))
        signatory = await asyncio.to_thread(
            lambda: Signatory(
                certificate,
                remote_key=remote_key,
                timestamps=timestamps,
                with_prompt=settings.c2pa_prompt,
            )
        )
        yield stack.enter_context(signatory)
