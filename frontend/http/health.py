"""Which parts of the system answer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

CHECK_TIMEOUT_S = 3.0
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

    async def check(self) -> dict[str, bool]:
        answers = await asyncio.gather(*(_answers(probe) for probe in self.probes.values()))
        return dict(zip(self.probes, answers, strict=True)) | {
            name: flag() for name, flag in self.flags.items()
        }


async def _answers(probe: Callable[[], Awaitable[object]]) -> bool:
    try:
        return bool(await asyncio.wait_for(probe(), CHECK_TIMEOUT_S))
    except Exception:
        return False


def is_ready(parts: Mapping[str, bool]) -> bool:
    return all(works for name, works in parts.items() if name not in OPTIONAL)
