"""The one error type of export: a refusal in one line, for the person at the command line."""


class ExportError(Exception):
    """Says what is wrong with which file or folder, and what to do about it. Nothing was written."""


def first_line(error: Exception) -> str:
    """Other libraries' errors are paragraphs."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
