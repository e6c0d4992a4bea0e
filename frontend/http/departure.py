"""Clients that go away while their answer is waited for."""

import asyncio
import contextlib
from collections.abc import Iterator

from aiohttp import web

from frontend.http.connection import Connection


@contextlib.contextmanager
def while_connected(request: web.BaseRequest) -> Iterator[None]:
    """Its body ends with ConnectionResetError when the client goes away."""
    connection, task = request.protocol, asyncio.current_task()
    assert isinstance(connection, Connection)
    assert task
    gone = request.transport is None

    def end() -> None:
        nonlocal gone
        gone = True
        task.cancel()

    connection.on_lost = end
    try:
        if gone:
            raise ConnectionResetError
        yield
    except asyncio.CancelledError:
        if not gone or task.uncancel() > 0:
            raise
        raise ConnectionResetError from None
    finally:
        connection.on_lost = None
