"""Any number of readers or one writer, in turns."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class ReadersWriterLock:
    """Neither side starves the other.

    A waiting writer goes before readers that come later; readers that came during a write go before the next
    one (a phase-fair lock: Brandenburg and Anderson 2010). So a reader waits for one write at most, and a
    writer for the readers of one moment. Not reentrant.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._reading = 0
        self._writing = False
        self._readers_waiting = 0
        self._writers_waiting = 0
        self._writes = 0  # that have ended

    @contextmanager
    def reading(self) -> Iterator[None]:
        self._begin_reading()
        try:
            yield
        finally:
            self._end_reading()

    @contextmanager
    def writing(self) -> Iterator[None]:
        self._begin_writing()
        try:
            yield
        finally:
            self._end_writing()

    def _begin_reading(self) -> None:
        with self._changed:
            if not self._writing and not self._writers_waiting:
                self._reading += 1
                return
            writes = self._writes
            self._readers_waiting += 1
            # Whoever ends the write counts this reader in before another writer can look.
            self._changed.wait_for(lambda: self._writes != writes)

    def _end_reading(self) -> None:
        with self._changed:
            self._reading -= 1
            if not self._reading and self._writers_waiting:
                self._changed.notify_all()

    def _begin_writing(self) -> None:
        with self._changed:
            self._writers_waiting += 1
            self._changed.wait_for(lambda: not self._writing and not self._reading)
            self._writers_waiting -= 1
            self._writing = True

    def _end_writing(self) -> None:
        with self._changed:
            self._writing = False
            self._writes += 1
            self._reading += self._readers_waiting
            self._readers_waiting = 0
            self._changed.notify_all()
