"""How far a merge is, for people: told line by line to the process that started it, which draws the bars."""

import itertools
import json
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager

OnProgress = Callable[[str, float], None]
"""A stage's name, and how much of it is done, from 0 to 1."""


def ignore_progress(stage: str, done: float) -> None:
    """For who asks for nothing."""


def print_progress(stage: str, done: float) -> None:
    """One JSON object on stdout; `gib`: the most memory of this process, or of one that it started."""
    used = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    line = {"stage": stage, "done": round(done, 3), "gib": round(used / 2**20, 2)}
    print(json.dumps(line), flush=True)


@contextmanager
def count_steps(on_progress: OnProgress, stage: str, total: int) -> Iterator[Callable[[], None]]:
    """Yields what is to be called `total` times; not every call is told, but the begin and the end are."""
    on_progress(stage, 0.0)
    numbers = itertools.count(1)  # threads may share it

    def one() -> None:
        done = next(numbers)
        if done * 100 // total != (done - 1) * 100 // total and done < total:
            on_progress(stage, done / total)

    yield one
    on_progress(stage, 1.0)
