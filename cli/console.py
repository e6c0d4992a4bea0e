"""Where commands write. On a terminal lines are as wide as it is; elsewhere one line stays one line."""

import json
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from frontend.common.printable import is_printable, printable_lines

ANY_WIDTH = 10_000


class PlainConsole(Console):
    """Shows text as it is: nothing in it is markup, and no command to a terminal comes out of it.

    What is to be styled is a rich.text.Text; the terminal's own codes are made after `render`.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable_lines(segment.text))


def print_json(text: str) -> None:
    """To stdout; what a terminal could take for a command is written as \\u009b, the same to JSON."""
    print("".join(char if char == "\n" or is_printable(char) else json.dumps(char)[1:-1] for char in text))


def console(*, stderr: bool = False) -> Console:
    made = PlainConsole(stderr=stderr, highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = ANY_WIDTH
    return made
