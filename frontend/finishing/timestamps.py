"""Timestamps (RFC 3161) for signatures: proof that one was made while its certificate was good.

C2PA's library asks the timestamp authority itself, and would wait 30 s for one that is silent. So it asks a
relay on this machine's loopback, which asks the authority in its place, for a bounded time and answer.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from prometheus_client import Counter
from yarl import URL

from frontend.common.bounded_read import read_bounded
from frontend.common.errors import SettingError
from frontend.finishing.settings import FinishingSettings

MAX_QUERY_BYTES, MAX_REPLY_BYTES = 4096, 64 * 1024

REPLIES = Counter("imgen_timestamp_replies", "Answers of the timestamp authority", ["result"])
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Timestamps:
    url: str = ""  # whom C2PA's library asks; empty: nobody
    required: bool = False  # whether a picture without one fails


class _Relay:
    def __init__(self, session: aiohttp.ClientSession, authority: URL, timeout_s: float) -> None:
        self._session = session
        self._authority = authority
        self._timeout_s = timeout_s

    async def answer(self, request: web.Request) -> web.Response:
        query = await request.read()
        try:
            async with asyncio.timeout(self._timeout_s):
                reply = await self._ask(query)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            REPLIES.labels("none").inc()
            log.warning("tsa_url: no timestamp: %s", type(error).__name__)
            return web.Response(status=502)
        REPLIES.labels("some").inc()
        return web.Response(body=reply, content_type="application/timestamp-reply")

    async def _ask(self, query: bytes) -> bytes:
        headers = {"Content-Type": "application/timestamp-query", "Accept-Encoding": "identity"}
        async with self._session.post(
            self._authority, data=query, headers=headers, allow_redirects=False
        ) as response:
            response.raise_for_status()
            return await read_bounded(response, MAX_REPLY_BYTES)


@contextlib.asynccontextmanager
async def open_timestamps(settings: FinishingSettings) -> AsyncIterator[Timestamps]:
    """A relay for as long as this is open, where an authority is set. Raises SettingError."""
    if not settings.tsa_url:
        if settings.tsa_required:
            raise SettingError("tsa_required: tsa_url is not set")
        yield Timestamps()
        return
    authority = _check_url(settings.tsa_url)
    path = f"/{secrets.token_urlsafe(16)}"  # for this process alone
    for result in ("some", "none"):
        REPLIES.labels(result)
    async with aiohttp.ClientSession() as session:
        app = web.Application(client_max_size=MAX_QUERY_BYTES)
        app.router.add_post(path, _Relay(session, authority, settings.tsa_timeout_s).answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            port = runner.addresses[0][1]
            yield Timestamps(f"http://127.0.0.1:{port}{path}", settings.tsa_required)
        finally:
            await runner.cleanup()


def _check_url(text: str) -> URL:
    try:
        url = URL(text)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise SettingError("tsa_url: expected http(s)://HOST[:PORT][/PATH]")
    return url
