import sys

from frontend.common.printable import printable


class UserError(Exception):
    """One line for whoever typed the command."""


def print_error(error: Exception | str) -> None:
    """The one way in which a command tells what is wrong: names and words of strangers are in it."""
    print(f"imgen: {printable(str(error))}", file=sys.stderr, flush=True)
