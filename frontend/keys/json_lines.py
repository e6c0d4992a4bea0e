"""The log as JSON, an object a line, for programs that collect logs."""

import json
import logging
from datetime import UTC, datetime

from frontend.common.printable import PrintableFormatter
from frontend.common.work_context import current_work
from frontend.keys.redaction import redact


class JsonFormatter(PrintableFormatter):
    """Without secrets; with the ids of what a line belongs to: request, key, job, trace, where known."""

    def format(self, record: logging.LogRecord) -> str:
        work = current_work()
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redact(record.getMessage()),
            "request": work.request,
            "key": work.key,
            "job": work.job,
            "trace": work.trace.trace_id if work.trace else "",
            "exception": redact(self.formatException(record.exc_info)) if record.exc_info else "",
        }
        # ASCII alone: nothing that a terminal would obey, and no line's end.
        return json.dumps({name: value for name, value in told.items() if value})
