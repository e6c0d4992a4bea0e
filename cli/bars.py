"""A bar for each stage of a merge: how far it is, its time, the most memory so far."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from embedded.characters.merge import MergeProgress, Tell


@contextmanager
def stage_bars(console: Console) -> Iterator[Tell]:
    """Yields what is to be called with each word of the merge; a pipe or file gets one line a stage."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    memory = TextColumn("{task.fields[gib]:.1f} GiB")
    tasks: dict[str, TaskID] = {}
    with Progress(*columns, memory, console=console, disable=not console.is_terminal) as bars:

        def tell(progress: MergeProgress) -> None:
            stage = progress.stage
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=1.0, gib=progress.gib)
                if not console.is_terminal:
                    console.print(stage)
            bars.update(tasks[stage], completed=progress.done, gib=progress.gib)

        yield tell
