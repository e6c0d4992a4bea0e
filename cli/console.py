"""Where commands write. On a terminal lines are as wide as it is; elsewhere one line stays one line."""

from rich.console import Console

ANY_WIDTH = 10_000


def console(*, stderr: bool = False) -> Console:
    made = Console(stderr=stderr, highlight=False)
    return made if made.is_terminal else Console(stderr=stderr, highlight=False, width=ANY_WIDTH)
