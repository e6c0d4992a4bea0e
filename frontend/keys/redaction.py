"""Keys do not stand in logs, whoever logs what: our code, a library, or the traceback of either."""

import logging
import re

from frontend.common.printable import PrintableFormatter
from frontend.keys.secret import PREFIX, WEBHOOK_PREFIX

# A key as it is made, or as someone has mistyped it; and whatever else was sent as one.
_SECRET = re.compile(rf"{PREFIX}[\w-]{{8,}}|{WEBHOOK_PREFIX}[\w+/=-]{{8,}}|(?i:\bbearer\s+)[^\s'\",;]+")


class RedactingFormatter(PrintableFormatter):
    def format(self, record: logging.LogRecord) -> str:
        """The line and its traceback, without secrets."""
        return redact(super().format(record))


def redact(text: str) -> str:
    return _SECRET.sub("[key]", text)
