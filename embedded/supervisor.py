"""Keeps a set of parts running: starts them, starts again what ended, stops them in reverse order."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

from embedded.child import run_all
from embedded.logs import keep_bounded
from embedded.part import PartError, SystemPart, start, stop

log = logging.getLogger(__name__)
WATCH_S = 2.0
RESTART_PAUSE_S = 1.0


class SupervisedPart:
    """One part that is kept running."""

    def __init__(self, part: SystemPart, logs: Path) -> None:
        self.part = part
        self._logs = logs
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self.settled = asyncio.Event()  # whether the first start has ended, well or not

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Raises PartError where the first start fails."""
        self._process = await start(self.part, self._logs)
        self._keeper = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        """No failure, of whatever kind, may end what keeps the part running."""
        while True:
            try:
                await self._restart_if_unhealthy()
            except PartError as error:
                log.warning("%s", error)
            except Exception:
                log.exception("watching %s failed", self.part.label)
                await asyncio.sleep(RESTART_PAUSE_S)

    async def _restart_if_unhealthy(self) -> None:
        assert self._process is not None
        if not await self._is_unhealthy(self._process):
            return
        log.warning("%s %s; starting it again", self.part.label, describe_cause(self._process.returncode))
        ended = time.monotonic()
        await stop(self.part, self._process)
        await asyncio.sleep(RESTART_PAUSE_S)
        if self.part.next_command is not None:
            self.part = replace(self.part, command=self.part.next_command())
        self._process = await start(self.part, self._logs)
        log.warning("%s is back after %.0f s", self.part.label, time.monotonic() - ended)

    async def _is_unhealthy(self, process: asyncio.subprocess.Process) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(process.wait()), WATCH_S)
        return process.returncode is not None or await self.part.is_unhealthy(process.pid)

    async def stop(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._process is not None:
            await stop(self.part, self._process)


def describe_cause(returncode: int | None) -> str:
    """Why a process is started again; None: it still runs, and is of no use."""
    if returncode is None:
        return "is unhealthy"
    if returncode < 0:
        return f"was killed (signal {-returncode})"
    return f"ended (exit {returncode})"


Say = Callable[[str], None]


@contextlib.asynccontextmanager
async def supervise(
    stages: list[list[SystemPart]], logs: Path, say: Say
) -> AsyncIterator[dict[str, SupervisedPart]]:
    """Starts each stage's parts side by side, one stage after the other. Raises PartError."""
    supervised: list[SupervisedPart] = []
    background = [asyncio.create_task(keep_bounded(logs))]
    try:
        for stage in stages:
            runs = [SupervisedPart(part, logs) for part in stage]
            supervised += runs
            background += [
                asyncio.create_task(_start_in_background(run, say)) for run in runs if run.part.background
            ]
            await run_all(_start(run, say) for run in runs if not run.part.background)
        yield {run.part.name: run for run in supervised}
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        for run in reversed(supervised):
            await run.stop()


async def _start(run: SupervisedPart, say: Say) -> None:
    try:
        await run.start()
    finally:
        run.settled.set()
    say(run.part.label)


async def _start_in_background(run: SupervisedPart, say: Say) -> None:
    try:
        await _start(run, say)
    except PartError as error:
        log.warning("%s", error)
