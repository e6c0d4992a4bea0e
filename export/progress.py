"""What an export shows while it runs: a bar over its stages, elapsed time, the most memory it has used."""

import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

Step = Callable[[str], None]  # called with a stage's name when it begins


class PeakMemoryColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{peak_memory_gib():.1f} GiB")


def peak_memory_gib() -> float:
    """Of this process so far; Linux reports KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


@contextmanager
def stages(title: str, count: int) -> Iterator[Step]:
    """The bar goes to stderr; into a file or pipe, one line a stage instead."""
    console = Console(file=sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, PeakMemoryColumn(), console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=count)
        begun = 0

        def step(name: str) -> None:
            nonlocal begun
            progress.update(task, description=f"{title}: {name}", completed=begun)
            begun += 1
            if not console.is_terminal:
                console.print(f"{title}: {name} ({begun} of {count})")

        yield step
        progress.update(task, description=title, completed=count)
