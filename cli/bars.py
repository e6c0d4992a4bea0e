"""A bar for each stage of a merge: how far it is, its time, the most memory so far."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from embedded.models import Progress as Told


@contextmanager
def stage_bars(console: Console) -> Iterator[Callable[[Told], None]]:
    """Yields what is to be called with each word of the merge; a pipe or file gets one line a stage."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    memory = TextColumn("{task.fields[gib]:.1f} GiB")
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, memory, console=console, disable=not console.is_terminal) as bars:

        def tell(told: Told) -> None:
            if told.stage not in tasks:
                tasks[told.stage] = bars.add_task(told.stage, total=1.0, gib=told.gib)
                if not console.is_terminal:
                    console.print(told.stage)
            bars.update(tasks[told.stage], completed=told.done, gib=told.gib)

        yield tell
