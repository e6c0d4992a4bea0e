"""Runs the server: listens, drains on SIGTERM or SIGINT, and hands unfinished jobs back."""

import asyncio
import contextlib
import gc
import logging
import resource
import signal
from collections.abc import Sequence
from typing import Any

import uvloop

from frontend.actions.context import OPERATED, Operated
from frontend.app import build_app, build_operators_app, build_worker_app
from frontend.common.errors import SettingError
from frontend.common.printable import PrintableFormatter, log_to_stderr
from frontend.http.listener import listening
from frontend.keys.json_lines import JsonFormatter
from frontend.keys.redaction import RedactingFormatter
from frontend.settings import Settings

log = logging.getLogger(__name__)
# More than what is alive at once for a hundred requests: Python's own 700 has them looked through in vain.
YOUNG_OBJECTS = 5_000
DRAIN_S = 5.0  # for answers under way
OTHER_FILES = 256  # beside clients' connections: Redis, pictures, other parts


def keep_what_is_built() -> None:
    """It lives as long as the process: looking through it for garbage would hold the loop for tens of ms."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


async def run_server(settings: Settings) -> None:
    """Until a signal comes, in the main thread's loop. Raises SettingError and OSError."""
    operators = operators_address(settings.operators_address) if settings.operators_address else None
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    draws_only = settings.role == "worker"
    app = build_worker_app(settings) if draws_only else build_app(settings)
    host, port = operators if draws_only and operators else (settings.host, settings.port)
    async with contextlib.AsyncExitStack() as stack:
        addresses = await stack.enter_async_context(listening(app, host, port, settings, drain_s=DRAIN_S))
        services = app[OPERATED]
        log.info("imgen %s (%s) serving on %s", services.health.version, settings.role, _written(addresses))
        if operators and not draws_only:
            own = listening(build_operators_app(services), *operators, settings, drain_s=DRAIN_S)
            try:
                log.info("operators: %s", _written(await stack.enter_async_context(own)))
            except OSError as error:
                raise SettingError(
                    f"IMGEN_OPERATORS_ADDRESS: cannot listen there: {error.strerror}"
                ) from None
        keep_what_is_built()
        await stop.wait()
        stop.clear()
        await drain(services, settings, stop)


async def drain(services: Operated, settings: Settings, stop: asyncio.Event) -> None:
    """What comes before the listener closes; a second signal, which sets `stop`, ends it at once."""
    services.gate.leaving = True
    services.workers.retire()
    log.info("draining for %g s", settings.drain_s)
    told = asyncio.create_task(stop.wait())
    idle = asyncio.create_task(services.workers.until_idle())
    waited = (told, idle) if settings.role == "worker" else (told,)
    await asyncio.wait(waited, timeout=settings.drain_s, return_when=asyncio.FIRST_COMPLETED)
    for wait in (told, idle):
        wait.cancel()
    services.gate.closed = True


def _written(addresses: Sequence[Any]) -> str:
    return ", ".join(f"{host}:{port}" for host, port, *_ in addresses)


def operators_address(text: str) -> tuple[str, int]:
    """Host and port. Raises SettingError."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise SettingError(f"IMGEN_OPERATORS_ADDRESS: expected host:port, got {text!r}")
    return host, int(port)


def allow_connections(count: int) -> None:
    """Lets this process have so many, as far as it may say so itself. Warns where it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + OTHER_FILES
    if hard != resource.RLIM_INFINITY and hard < wanted:
        log.warning(
            "IMGEN_MAX_CONNECTIONS is %d, but this process may only open %d files (ulimit -Hn)", count, hard
        )
        wanted = hard
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def log_lines(log_format: str) -> PrintableFormatter:
    if log_format == "json":
        return JsonFormatter()
    return RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s")


def serve(settings: Settings) -> None:
    """Until a signal comes. Raises SettingError, and OSError when the address is taken."""
    log_to_stderr(settings.log_level.upper(), log_lines(settings.log_format))
    allow_connections(settings.max_connections)
    uvloop.run(run_server(settings))
