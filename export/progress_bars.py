"""What an export shows while it runs: a bar for each stage, its time, the most memory used until its end."""

import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from frontend.common.printable import printable

Step = Callable[[str], None]  # called with a stage's name when it begins


class PeakMemoryColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        peak = task.fields.get("peak", peak_memory_gib())
        return Text(f"{peak:.1f} GiB")


def peak_memory_gib() -> float:
    """Of this process so far; Linux reports KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def print_line(text: str) -> None:
    """Beside the bars; names of strangers may be in it."""
    print(printable(text), file=sys.stderr, flush=True)


@contextmanager
def stages(title: str, count: int, console: Console | None = None) -> Iterator[Step]:
    """Bars go to stderr; into a file or pipe go two lines a stage instead: it begins, it ends."""
    console = console or Console(file=sys.stderr)
    show = _bars if console.is_terminal else _lines
    with show(title, count, console) as step:
        yield step


@contextmanager
def _bars(title: str, count: int, console: Console) -> Iterator[Step]:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), PeakMemoryColumn())
    with Progress(*columns, console=console) as progress:

        def end() -> None:
            if (
                progress.tasks
            ):  # a bar without total moves to and fro; with one it is full, and its time stands
                last = progress.tasks[-1].id
                progress.update(last, total=1, completed=1, peak=peak_memory_gib())

        def step(name: str) -> None:
            end()
            number = len(progress.tasks) + 1
            progress.add_task(f"{title}: {name} ({number} of {count})", total=None)

        yield step
        end()


@contextmanager
def _lines(title: str, count: int, console: Console) -> Iterator[Step]:
    running: list[tuple[str, float]] = []

    def end() -> None:
        if running:
            text, begun = running[-1]
            took = time.monotonic() - begun
            console.print(f"{text} done in {took:.1f} s, {peak_memory_gib():.1f} GiB", soft_wrap=True)

    def step(name: str) -> None:
        end()
        text = f"{title}: {name} ({len(running) + 1} of {count})"
        running.append((text, time.monotonic()))
        console.print(text, soft_wrap=True)

    yield step
    end()
