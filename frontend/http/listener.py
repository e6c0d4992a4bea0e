"""Serves an application: the one place where a socket is opened for clients."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

from aiohttp import web

from frontend.common.supervised import in_background
from frontend.http.connection import UNSENT_S, Connection
from frontend.http.connections import Connections
from frontend.http.settings import ListenerSettings
from frontend.net.networks import networks

BACKLOG = 128


@contextlib.asynccontextmanager
async def listening(
    app: web.Application, host: str, port: int, settings: ListenerSettings, *, drain_s: float
) -> AsyncIterator[Sequence[Any]]:
    """The addresses that clients reach it by. Opens and closes the application, too.

    `drain_s`: how long answers under way are waited for. Raises OSError when the address is taken.
    """
    runner = web.AppRunner(app, shutdown_timeout=drain_s)
    await runner.setup()
    try:
        server = runner.server
        assert server
        proxies = networks("trusted_proxies", settings.trusted_proxies)
        connections = Connections(settings.max_connections, settings.header_timeout_s, UNSENT_S, proxies)
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(
            lambda: Connection(server, connections, loop), host, port, backlog=BACKLOG
        )
        try:
            async with in_background(connections.watch()):
                yield [one.getsockname() for one in listener.sockets]
        finally:
            listener.close()
    finally:
        await runner.cleanup()
