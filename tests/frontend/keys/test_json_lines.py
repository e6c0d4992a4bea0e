"""The log as JSON: an object a line, with the ids of what it belongs to, and no secret."""

import json
import logging
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from frontend.common.trace_context import TraceContext
from frontend.common.work_context import WorkContext, working
from frontend.keys.json_lines import JsonFormatter

KEY = f"imgen_{secrets.token_urlsafe(32)}"


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += self.format(record) + "\n"

    @property
    def told(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler, log = Lines(), logging.getLogger("json lines")
    log.addHandler(handler)
    log.propagate = False  # what is logged here holds a key on purpose
    yield handler
    log.removeHandler(handler)


def test_line_tells_what_it_belongs_to(lines: Lines) -> None:
    trace = TraceContext("a" * 32, "b" * 16, sampled=False)
    with working(WorkContext(request="r1", key="k1", job="run_1", trace=trace)):
        logging.getLogger("json lines").warning("made in %d ms", 3)
    logging.getLogger("json lines").warning("alone")
    first, second = lines.told
    assert {name: first[name] for name in ("request", "key", "job", "trace", "level", "message")} == {
        "request": "r1",
        "key": "k1",
        "job": "run_1",
        "trace": "a" * 32,
        "level": "warning",
        "message": "made in 3 ms",
    }
    assert first["time"].endswith("+00:00")
    assert second.keys() == {"time", "level", "logger", "message"}


def test_line_has_no_secret_and_no_end_but_its_own(lines: Lines) -> None:
    try:
        raise ValueError(f"{KEY}\n\x1b[31m\u202e\u2028")
    except ValueError:
        logging.getLogger("json lines").exception("Bearer %s\nforged", KEY)
    assert len(lines.text.splitlines()) == 1 and lines.text.isascii() and "\x1b" not in lines.text
    assert KEY not in lines.text
    (told,) = lines.told
    assert told["exception"].startswith("Traceback") and "[key]" in told["exception"]
    assert told["message"] == "[key]\nforged"
