"""How every command describes itself."""

import argparse
from collections.abc import Callable
from typing import Any, NoReturn

from frontend.common.printable import printable


class CommandParser(argparse.ArgumentParser):
    """Names of files are among what is typed, and may be a stranger's."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


Commands = Any  # argparse gives the type of its sub-parsers no public name


def command(
    commands: Commands, name: str, text: str, examples: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=text,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser
