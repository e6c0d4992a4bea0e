"""The catalogue of a running server: changed files count within a second, without a restart."""

import asyncio
import logging
import threading
from collections.abc import Collection, Iterable
from pathlib import Path

from frontend.catalogue.catalogue import MAX_NAMED, Catalogue, Lacking, load
from frontend.common.errors import CatalogueError
from frontend.common.supervised import SupervisedLoop

log = logging.getLogger(__name__)

KINDS = ("models/*.yaml", "characters/*.yaml")
Stamp = frozenset[tuple[str, int, int, int]]


class LiveCatalogue:
    """`declared` is the newest catalogue that could be loaded; `current` what of it can be drawn with.

    Raises CatalogueError when made from folders without any usable model; see catalogue.load.
    """

    def __init__(self, folder: Path, *more: Path, poll_s: float = 1.0) -> None:
        self._folders = (folder, *more)
        self._poll_s = poll_s
        self._stamp = stamp(self._folders)
        self._taking = threading.Lock()  # files are read in a thread, what has weights is told by the loop
        self._lacking = Lacking()
        self._told: Collection[str] = ()
        self._take(load(*self._folders), self._lacking)

    @property
    def warnings(self) -> list[str]:
        """What is left out or wants to be completed, a line each, without paths of files."""
        declared = self.declared
        return list(
            filter(
                None,
                (declared.faults_in_short, *self._withheld_lines, declared.warning),
            )
        )

    def withhold(self, lacking: Lacking) -> None:
        """All but these can be drawn with."""
        if lacking != self._lacking:
            self._take(self.declared, lacking)

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
            loaded = load(*self._folders)
        except CatalogueError as error:
            log.error("catalogue not reloaded, the last good one stays in use: %s", error)
        else:
            log.info("catalogue reloaded")
            self._take(loaded, self._lacking)

    def _take(self, declared: Catalogue, lacking: Lacking) -> None:
        with self._taking:
            self.declared: Catalogue = declared
            self._lacking = lacking
            self.current: Catalogue = declared.without(lacking)
            lines = [
                *(f"left out: {fault.line}" for fault in declared.faults),
                *self._withheld_lines,
                declared.warning,
            ]
            for line in lines:
                if line and line not in self._told:
                    log.warning("%s", line)
            self._told = lines

    @property
    def _withheld_lines(self) -> tuple[str, ...]:
        return self._lacking_line, self._not_drawn_line, self._too_large_line

    @property
    def _lacking_line(self) -> str:
        """Which have no weights, in one line; "" where all have."""
        models, pairs = self._lacking.models, self._lacking.characters
        known = self.declared.characters
        lacking = [name for name in sorted(models) if name in self.declared.models]
        lacking += [
            f"@{name} of {model}"
            for model, name in sorted(pairs)
            if name in known and model in known[name].models and model not in models
        ]
        lacking += [f"style {name} of {model}" for model, name in sorted(self._lacking.styles)]
        if not lacking:
            return ""
        more = f" and {len(lacking) - MAX_NAMED} more" if len(lacking) > MAX_NAMED else ""
        names = ", ".join(lacking[:MAX_NAMED]) + more
        return (
            f"not offered, as Triton has no weights that can be used (see its log): {names}; `imgen export "
            "CHECKPOINT --name NAME` makes a model's, `imgen character add` a character's, `imgen up` a "
            "style's; a Triton loads models when it starts"
        )

    @property
    def _not_drawn_line(self) -> str:
        """Which styles no sampler of theirs draws, in one line."""
        told = [f"{name} of {model}: {why}" for (model, name), why in sorted(self._lacking.not_drawn.items())]
        listed = "; ".join(told[:MAX_NAMED])
        return f"styles are not offered, take another `sampler:` or `spacing:` for {listed}" if told else ""

    @property
    def _too_large_line(self) -> str:
        """Which sizes are refused, in one line."""
        refused: dict[str, list[str]] = {}
        for model, size in self._lacking.too_large:
            refused.setdefault(model, []).append(size)
        listed = "; ".join(
            f"{model}: {', '.join(sizes)}" for model, sizes in sorted(refused.items())[:MAX_NAMED]
        )
        return f"orders are refused for want of memory (IMGEN_MEMORY_MB): {listed}" if listed else ""


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
