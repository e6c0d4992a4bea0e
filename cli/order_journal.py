"""Which prompts of a file are drawn and saved, so that a command that was stopped goes on where it was.

It lies beside the file while there is something left to do. A key of idempotency is made of its random name,
of what is asked for, and of how often that was tried: until it is in the journal, the same command sends the
same key again, which the server answers with the same picture.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import secrets
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cli.errors import UserError


class OrderJournal:
    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._saved: set[str] = set()
        self._failures: Counter[str] = Counter()
        self._asked: Counter[str] = Counter()  # by this command so far
        self._names: dict[str, str] = {}  # of orders, by their keys
        self._run = self._read() or self._begin()

    @classmethod
    @contextlib.contextmanager
    def beside(cls, file: Path) -> "Iterator[OrderJournal]":
        """Raises UserError: another command works on the file, or its folder cannot be written."""
        path = file.with_name(f"{file.name}.orders")
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise UserError(f"cannot write {path}, which says what is drawn: {error.strerror}") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield cls(path, descriptor)
        except BlockingIOError:
            raise UserError(f"another command draws {file} at present") from None
        finally:
            os.close(descriptor)

    def key_of(self, asked: Mapping[str, Any]) -> str:
        """The same for the same order of a command that is given again."""
        digest = _digest(asked)
        self._asked[digest] += 1
        name = f"{digest}-{self._asked[digest]}"
        key = _digest([self._run, name, self._failures[name]])[:32]
        self._names[key] = name
        return key

    def is_saved(self, key: str) -> bool:
        return self._names[key] in self._saved

    def note_saved(self, key: str) -> None:
        self._append({"saved": self._names[key]})

    def note_failed(self, key: str) -> None:
        """The next command tries it anew."""
        self._append({"failed": self._names[key]})

    def finish(self) -> None:
        """All are saved."""
        self.path.unlink(missing_ok=True)

    def _read(self) -> str:
        """What the file was begun with; "" of a new one. A line that was cut off is none."""
        with open(os.dup(self._descriptor), "rb") as file:
            file.seek(0)
            lines = file.read().splitlines()
        run = ""
        for line in lines:
            with contextlib.suppress(ValueError, AttributeError):
                told = json.loads(line)
                run = run or str(told.get("run", ""))
                self._saved |= {told["saved"]} if "saved" in told else set()
                self._failures[str(told.get("failed"))] += "failed" in told
        return run

    def _begin(self) -> str:
        run = secrets.token_hex(16)
        self._append({"run": run})
        return run

    def _append(self, told: Mapping[str, str]) -> None:
        # A line of its own, also after one that was cut off.
        os.write(self._descriptor, b"\n" + json.dumps(told).encode() + b"\n")
        os.fsync(self._descriptor)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
