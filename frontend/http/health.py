"""Which parts of the system answer."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

CHECK_TIMEOUT_S = 3.0
FRESH_S = 0.5  # that answers of other parts count: anybody may ask, and each answer is work for all of them
# Without the language model and without the cache pictures are still made, reviewed and handed out.
OPTIONAL = {"llm", "cache"}


@dataclass(frozen=True, kw_only=True)
class Health:
    version: str  # of this program
    probes: Mapping[
        str, Callable[[], Awaitable[object]]
    ]  # of other parts; what is not true, raises or is late: no
    flags: Mapping[str, Callable[[], bool]]  # of this process
    warnings: Callable[[], list[str]]  # what works, and will not for long
    _asked: "_Asked" = field(default_factory=lambda: _Asked())

    async def check(self) -> dict[str, bool]:
        answers = await self._asked.answers(list(self.probes.values()))
        return dict(zip(self.probes, answers, strict=True)) | {
            name: flag() for name, flag in self.flags.items()
        }


class _Asked:
    """All who ask at about the same time share one question."""

    def __init__(self) -> None:
        self._task: asyncio.Task[list[bool]] | None = None
        self._began = 0.0

    async def answers(self, probes: list[Callable[[], Awaitable[object]]]) -> list[bool]:
        task, now = self._task, time.monotonic()
        if task is None or task.cancelled() or (task.done() and now - self._began > FRESH_S):
            task = self._task = asyncio.create_task(_all(probes))
            self._began = now
        return await asyncio.shield(task)


async def _all(probes: list[Callable[[], Awaitable[object]]]) -> list[bool]:
    return await asyncio.gather(*map(_answers, probes))


async def _answers(probe: Callable[[], Awaitable[object]]) -> bool:
    try:
        return bool(await asyncio.wait_for(probe(), CHECK_TIMEOUT_S))
    except Exception:
        return False


def is_ready(parts: Mapping[str, bool]) -> bool:
    return all(works for name, works in parts.items() if name not in OPTIONAL)
