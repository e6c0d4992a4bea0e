"""Which parts of the system answer."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from frontend.common.probe import NotReady, Probe

# Without the language model and without the cache pictures are still made, reviewed and handed out.
OPTIONAL = {"llm", "cache"}


@dataclass(frozen=True)
class Readiness:
    parts: Mapping[str, bool]
    reasons: Mapping[str, str]  # of parts that do not work, where more is known

    @property
    def complete(self) -> bool:
        return all(works for name, works in self.parts.items() if name not in OPTIONAL)


@dataclass(frozen=True, kw_only=True)
class Health:
    version: str  # of this program
    probes: Mapping[str, Probe]  # of other parts
    flags: Mapping[str, Callable[[], bool]]  # of this process
    warnings: Callable[[], list[str]]  # what works, and will not for long
    runtimes: Callable[[], Mapping[str, list[str]]] = dict  # what runs each network in Triton

    async def check(self) -> Readiness:
        found = await asyncio.gather(*map(_fault_of, self.probes.values()))
        faults = dict(zip(self.probes, found, strict=True))
        flags = {name: flag() for name, flag in self.flags.items()}
        return Readiness(
            {name: fault is None for name, fault in faults.items()} | flags,
            {name: fault for name, fault in faults.items() if fault},
        )


async def _fault_of(probe: Probe) -> str | None:
    try:
        await probe.check()
    except NotReady as error:
        return str(error)
    return None
