"""Runs the server: listens, drains on SIGTERM or SIGINT, and hands unfinished jobs back."""

import asyncio
import gc
import logging
import signal

import uvloop
from aiohttp import web

from frontend.actions.context import SERVICES
from frontend.app import build_app
from frontend.common.printable import log_to_stderr
from frontend.settings import Settings

log = logging.getLogger(__name__)
# More than what is alive at once for a hundred requests: Python's own 700 has them looked through in vain.
YOUNG_OBJECTS = 5_000
DRAIN_S = 5.0  # for answers under way


def keep_what_is_built() -> None:
    """It lives as long as the process: looking through it for garbage would hold the loop for tens of ms."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    app = build_app(settings)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=DRAIN_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.port).start()
        where = ", ".join(f"{host}:{port}" for host, port, *_ in runner.addresses)
        log.info("imgen %s serving on %s", app[SERVICES].health.version, where)
        keep_what_is_built()
        await stop.wait()
        app[SERVICES].gate.closed = True
    finally:
        await runner.cleanup()


def serve(settings: Settings) -> None:
    """Until a signal comes. Raises SettingError, and OSError when the address is taken."""
    log_to_stderr(settings.log_level.upper(), "%(asctime)s %(levelname)s %(name)s: %(message)s")
    uvloop.run(_serve(settings))
