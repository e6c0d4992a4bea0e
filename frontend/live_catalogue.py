"""The catalogue of a running server: changed files count within a second, without a restart."""

import asyncio
import logging
from pathlib import Path

from frontend.catalogue import Catalogue, CatalogueError, load

log = logging.getLogger(__name__)

Stamp = frozenset[tuple[str, int, int, int]]


class LiveCatalogue:
    """`current` is always a whole, valid catalogue: the newest one that could be loaded.

    Raises CatalogueError when made from a folder that is broken from the start.
    """

    def __init__(self, folder: Path, poll_s: float = 1.0) -> None:
        self._folder = folder
        self._poll_s = poll_s
        self._stamp = stamp(folder)
        self.current: Catalogue = load(folder)

    async def watch(self) -> None:
        """Reloads until cancelled. Files are read in a thread."""
        while True:
            await asyncio.sleep(self._poll_s)
            await asyncio.to_thread(self.refresh)

    def refresh(self) -> None:
        """Loads what has changed. A broken catalogue is logged once, and the one before stays in use."""
        # Taken before loading: a file written meanwhile differs from this stamp and is loaded next time.
        now = stamp(self._folder)
        if now == self._stamp:
            return
        self._stamp = now
        try:
            self.current = load(self._folder)
        except CatalogueError as error:
            log.error("catalogue not reloaded, the last good one stays in use: %s", error)
        else:
            log.info("catalogue reloaded")


def stamp(folder: Path) -> Stamp:
    """Differs whenever a file of the catalogue was written, renamed, added or removed."""
    found = set()
    for path in [*folder.glob("models/*.yaml"), *folder.glob("characters/*.yaml")]:
        try:
            state = path.stat()
        except OSError:
            continue
        found.add((str(path), state.st_mtime_ns, state.st_size, state.st_ino))
    return frozenset(found)
