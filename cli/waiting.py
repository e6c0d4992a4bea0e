"""What is told while pictures are awaited: one bar that says what is being done."""

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cli.console import console

if TYPE_CHECKING:
    from imgen_client import Status

DRAWN = 0.9  # the API's progress from which the steps are done: decoding, finishing and review remain
STEPS_SHARE = 0.75  # of the time that a picture takes
AWAY = "server away, asking again"


class WaitingBar:
    """Of `total` pictures together, on a terminal; elsewhere nothing is shown."""

    def __init__(self, total: int) -> None:
        out = console(stderr=True)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
        )
        self._total = total
        self._bar = Progress(*columns, console=out, transient=True, disable=not out.is_terminal)
        self._task = self._bar.add_task("waiting", total=float(total))
        self._shares: dict[int, float] = {}  # by number of the order
        self._ended = 0

    def __enter__(self) -> "WaitingBar":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._bar.stop()

    def progress_of(self, number: int) -> "Callable[[Status], None]":
        def tell(status: "Status") -> None:
            words, self._shares[number] = describe_phase(status)
            self._show(words)

        return tell

    def tell_away(self) -> None:
        self._bar.update(self._task, description=AWAY)

    def end(self, number: int) -> None:
        self._ended += 1
        self._shares[number] = 1.0
        self._show("")

    def _show(self, words: str) -> None:
        if self._total > 1:
            words = f"{self._ended} of {self._total} pictures"
        self._bar.update(self._task, completed=sum(self._shares.values()), description=words)


def describe_phase(status: "Status") -> tuple[str, float]:
    """What is being done, and the share of the time that has gone, of an unfinished job."""
    if status.status == "IN_QUEUE":
        return f"waiting, number {status.queue_position or 1} in line", 0.0
    progress = status.progress
    words = "starting" if progress == 0 else "drawing" if progress < DRAWN else "decoding and checking"
    return words, min(progress / DRAWN, 1.0) * STEPS_SHARE
