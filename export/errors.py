"""The one error type of export: a refusal in one line, for the person at the command line."""

import errno
import sys

from frontend.common.printable import printable


class ExportError(Exception):
    """Says what is wrong with which file or folder, and what to do about it. Nothing was written."""


def print_error(error: ExportError | OSError) -> None:
    """The one way in which the exporter's commands tell what is wrong; names of strangers are in it."""
    print(f"export: {describe_error(error)}", file=sys.stderr, flush=True)


def describe_error(error: ExportError | OSError) -> str:
    """The line for whoever typed the command. The system's own errors say of which file and, where it can be
    said, what to do."""
    if isinstance(error, ExportError):
        return printable(str(error))
    advice = ADVICE.get(error.errno or 0, "")
    return printable(f"{error.filename or 'a file'}: {error.strerror or error}{advice}")


ROOM = "; nothing was changed: make room, then run the command again"
ADVICE = {errno.ENOSPC: ROOM, errno.EDQUOT: ROOM, errno.EFBIG: ROOM}


def first_line(error: Exception) -> str:
    """Other libraries' errors are paragraphs."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
