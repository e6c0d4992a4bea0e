"""The catalogue of a running server: changed files count within a second, without a restart."""

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path

from frontend.catalogue.catalogue import Catalogue, load
from frontend.common.errors import CatalogueError
from frontend.common.supervised import SupervisedLoop

log = logging.getLogger(__name__)

KINDS = ("models/*.yaml", "characters/*.yaml")
Stamp = frozenset[tuple[str, int, int, int]]


class LiveCatalogue:
    """`current` is always a whole, valid catalogue: the newest one that could be loaded.

    Raises CatalogueError when made from folders that are broken from the start; see catalogue.load.
    """

    def __init__(self, folder: Path, *more: Path, poll_s: float = 1.0) -> None:
        self._folders = (folder, *more)
        self._poll_s = poll_s
        self._stamp = stamp(self._folders)
        self.current: Catalogue = load(*self._folders)
        self._warn()

    async def watch(self) -> None:
        """Reloads until cancelled. Files are read in a thread."""
        await SupervisedLoop("the catalogue is not watched", self._turn, log).run()

    async def _turn(self) -> None:
        await asyncio.sleep(self._poll_s)
        await asyncio.to_thread(self.refresh)

    def refresh(self) -> None:
        """Loads what has changed. A broken catalogue is logged once, and the one before stays in use."""
        # Taken before loading: a file written meanwhile differs from this stamp and is loaded next time.
        now = stamp(self._folders)
        if now == self._stamp:
            return
        self._stamp = now
        try:
            self.current = load(*self._folders)
        except CatalogueError as error:
            log.error("catalogue not reloaded, the last good one stays in use: %s", error)
        else:
            log.info("catalogue reloaded")
            self._warn()

    def _warn(self) -> None:
        if words := self.current.warning:
            log.warning("%s", words)


def stamp(folders: Iterable[Path]) -> Stamp:
    """Differs whenever a file of the catalogue was written, renamed, added or removed."""
    found = set()
    for path in (path for folder in folders for kind in KINDS for path in folder.glob(kind)):
        try:
            state = path.stat()
        except OSError:
            continue
        found.add((str(path), state.st_mtime_ns, state.st_size, state.st_ino))
    return frozenset(found)
