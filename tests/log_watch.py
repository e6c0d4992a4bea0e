"""Looks for keys in whatever is logged during a run; tests/test_logs.py, which goes last, tells of them.

Logs are those of servers in this process, and those that parts write below the run's temporary folder.
"""

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

_KEY = re.compile(r"imgen_[\w-]{43}")  # as frontend/keys/secret.py makes them


class LogWatch(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []  # loggers that told a key, and what else the line says

    def emit(self, record: logging.LogRecord) -> None:
        if _KEY.search(text := self.format(record)):
            self.found.append(f"{record.name}: {_KEY.sub('[key]', text)[:200]}")


WATCH = LogWatch()


def keys_in_files(folder: Path) -> Iterator[str]:
    """Log files with a key in them, each with the line's number."""
    for path in sorted(folder.rglob("*.log*")):
        if path.is_file():
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                if _KEY.search(line):
                    yield f"{path}:{number}"


def pytest_configure(config: pytest.Config) -> None:
    logging.getLogger().addHandler(WATCH)
