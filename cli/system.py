"""The whole system on this machine: what `imgen up` runs until it is told to stop."""

import asyncio
import contextlib
import logging
import os
import signal
import time
from dataclasses import dataclass, replace

from rich.text import Text

from cli.console import console
from cli.instance import Instance, Serving
from cli.warnings_told import tell_warnings, wait_until_found
from cli.welcome import welcome
from embedded.characters.service import CharacterService
from embedded.part import PartError
from embedded.plan import plan
from embedded.supervisor import Say, SupervisedPart, supervise
from frontend.common.printable import PrintableFormatter, log_to_stderr
from frontend.common.redis_connection import connect
from frontend.keys.api_keys import Keys
from frontend.keys.secret import digest
from frontend.settings import Settings

INTERRUPTED = 130
SETTLE_S = 10.0


@dataclass(frozen=True, kw_only=True)
class UpOptions:
    llm: bool  # whether the packaged language model is started
    quiet: bool  # whether URL and key are printed
    given: frozenset[str]  # the settings that somebody set
    told: frozenset[str] = frozenset()  # warnings that were printed already
    triton_port: int | None = None  # of Triton on loopback; None: it listens on a Unix socket


async def run_system(settings: Settings, instance: Instance, options: UpOptions) -> int:
    """Until a signal comes. The exit code: 130 where it came before everything served.

    Raises PartError, SettingError and CatalogueError.
    """
    log_to_stderr(logging.WARNING, PrintableFormatter("%(asctime)s %(message)s", "%H:%M:%S"))
    out, stop = console(stderr=True), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    began = time.monotonic()

    def say(text: str) -> None:
        took = f"{time.monotonic() - began:5.1f} s"
        out.print(Text.assemble(("  ✓", "green"), f" {text:<14} ", (took, "dim")))

    out.print(Text.assemble(("imgen", "bold"), f" starting, logs in {instance.logs}"), soft_wrap=True)
    serving = asyncio.create_task(_serve(settings, instance, options, say))
    waiting = asyncio.create_task(stop.wait())
    await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if serving.done():
        await serving
        return 0
    served = instance.serving() is not None
    out.print("\nstopping; accepted jobs are kept …" if served else "\nstopping …")
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError, PartError):  # a part that we stop did not start, too
        await serving
    out.print("stopped")
    return 0 if served else INTERRUPTED


async def _serve(settings: Settings, instance: Instance, options: UpOptions, say: Say) -> None:
    models = [] if settings.triton_urls else await CharacterService.of(settings).merge_all(say)
    parts = await plan(
        settings, models, llm=options.llm, given=options.given, triton_port=options.triton_port
    )
    async with supervise(parts.stages, instance.logs, say) as running:
        awaited = [name for name, run in running.items() if not run.part.background]
        await wait_until_found(settings, parts.url, awaited)
        key = await _ensure_local_key(replace(settings, redis_url=parts.redis_url), instance)
        instance.announce(
            Serving(
                url=parts.url,
                key=key,
                pid=os.getpid(),
                redis_url=parts.redis_url,
                triton_url=parts.triton_url,
            )
        )
        if not options.quiet:
            await _wait_until_settled(list(running.values()))
            await asyncio.to_thread(tell_warnings, settings, parts.url, options.told)
            print(welcome(parts.url, key, instance.folder), flush=True)
        await asyncio.Event().wait()  # until cancelled


async def _wait_until_settled(parts: list[SupervisedPart]) -> None:
    """So that what people are to copy comes last. Nothing else waits for parts in the background."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SETTLE_S):
            for part in parts:
                await part.settled.wait()


async def _ensure_local_key(settings: Settings, instance: Instance) -> str:
    """The key that is printed: the same one at every start, unless it was disabled, replaced or is over."""
    redis = connect(settings.redis_url)
    try:
        keys = Keys(redis)
        secret = instance.secret()
        known = {record.digest: record for record in await keys.all()}
        if (record := known.get(digest(secret))) and (record.replaced or not record.valid):
            secret = instance.secret(fresh=True)
        await keys.create("local", secret)
        return secret
    finally:
        await redis.aclose()
