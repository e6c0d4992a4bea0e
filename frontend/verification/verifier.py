"""Verifies pictures on threads of its own, a bounded number at a time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from frontend.cells.cells import Cells
from frontend.domain.registered_picture import RegisteredPicture
from frontend.invisible_mark.codes import Codes
from frontend.registry.registry import Registry
from frontend.verification.finding import Finding, agreeing, confirm, find
from frontend.verification.manifest import ManifestReader
from frontend.verification.sighting import Sighting, look

THREADS = 2


@dataclass(frozen=True, kw_only=True)
class Verification:
    """All that was found out; what of it is told depends on who asks."""

    seen: Sighting
    finding: Finding
    picture: RegisteredPicture | None  # the one that `finding` names
    agrees: Sequence[str] = ()  # with a manifest of ours in a file that was changed, see finding.agreeing


class Verifier:
    def __init__(
        self,
        registry: Registry,
        keys: Sequence[Codes],
        manifests: ManifestReader,
        cells: Cells,
        threads: ThreadPoolExecutor,
    ) -> None:
        self._registry = registry
        self._keys = keys
        self._manifests = manifests
        self._cells = cells
        self._threads = threads

    @classmethod
    @contextlib.asynccontextmanager
    async def open(
        cls, registry: Registry, keys: Sequence[Codes], chain: bytes, cells: Cells
    ) -> AsyncIterator["Verifier"]:
        """`keys`: of the invisible mark, all versions; `chain`: of the content credentials, PEM."""
        pool = ThreadPoolExecutor(THREADS, thread_name_prefix="verify")
        try:
            yield cls(registry, keys, ManifestReader(chain, cells), cells, pool)
        finally:
            await asyncio.to_thread(pool.shutdown, cancel_futures=True)

    async def verify(self, data: bytes) -> Verification:
        """Raises UnreadablePicture; Behind where an answer could be untrue."""
        loop = asyncio.get_running_loop()
        seen = await loop.run_in_executor(self._threads, look, data, self._keys, self._manifests, self._cells)
        columns = await self._registry.columns()
        findings = find(columns, seen)
        while True:
            finding = await loop.run_in_executor(self._threads, next, findings)
            picture = await self._registry.picture(finding.entry) if finding.entry else None
            confirmed = await loop.run_in_executor(self._threads, confirm, finding, picture, seen)
            if confirmed is not None:
                break
        changed = seen.manifest is not None and seen.manifest.changed
        agrees = await loop.run_in_executor(self._threads, agreeing, columns, seen) if changed else []
        return Verification(seen=seen, finding=confirmed, picture=picture, agrees=agrees)
