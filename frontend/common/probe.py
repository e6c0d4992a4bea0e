"""Whether a part of the system can be used: asked seldom, however many want to know."""

import asyncio
import time
from collections.abc import Awaitable, Callable

FRESH_S = 0.5  # that an answer counts: anybody may ask, and each answer is work for another part
WRITE_FRESH_S = 5.0  # the same of an answer that costs a write
TIMEOUT_S = 3.0


class NotReady(Exception):
    """One line for operators: the setting to look at, and what came back. No URL, path or secret."""


class Probe:
    """Of one part. All who ask at about the same time share one question, and its answer for a while."""

    def __init__(
        self, ask: Callable[[], Awaitable[object]], fresh_s: float = FRESH_S, setting: str = ""
    ) -> None:
        """`ask`: returning False, raising and being late mean no; the words of a NotReady are told.

        `setting`: told where it is not these words.
        """
        self._ask = ask
        self._setting = f"{setting}: " if setting else ""
        self._fresh_s = fresh_s
        self._task: asyncio.Task[str | None] | None = None
        self._began = 0.0

    async def check(self, since: float = 0.0) -> None:
        """`since`: of time.monotonic(); an answer to a question of before does not count. Raises NotReady."""
        began = -1.0
        while began < since:
            task, began = self._asked(since)
            fault = await asyncio.shield(task)
        if fault is not None:
            raise NotReady(fault)

    def _asked(self, since: float) -> tuple[asyncio.Task[str | None], float]:
        """The question under way, or whose answer counts, and when it was asked; else a new one."""
        task, now = self._task, time.monotonic()
        oldest = max(since, now - self._fresh_s)
        if task is None or task.cancelled() or (task.done() and self._began < oldest):
            task = self._task = asyncio.create_task(self._find_fault())
            self._began = now
        return task, self._began

    async def _find_fault(self) -> str | None:
        """None: it can be used. "": it cannot, and no more is known."""
        try:
            answer = await asyncio.wait_for(self._ask(), TIMEOUT_S)
        except NotReady as error:
            return str(error)
        except TimeoutError:
            return f"{self._setting}no answer within {TIMEOUT_S:.0f} s"
        except Exception as error:
            return f"{self._setting}{type(error).__name__}"
        if answer is not False:
            return None
        return f"{self._setting}nothing there is ready" if self._setting else ""
