import threading
from collections.abc import Callable

import pytest

from frontend.cache.index.readers_writer import ReadersWriterLock

PATIENCE_S = 20.0


class Watched:
    """Threads that hold a lock until they are told to let go."""

    def __init__(self) -> None:
        self.lock = ReadersWriterLock()
        self.events: list[str] = []
        self._threads: list[threading.Thread] = []

    def start(self, name: str, *, writes: bool, until: threading.Event) -> threading.Event:
        entered = threading.Event()

        def hold() -> None:
            with self.lock.writing() if writes else self.lock.reading():
                self.events.append(name)
                entered.set()
                assert until.wait(PATIENCE_S)

        self._threads.append(threading.Thread(target=hold))
        self._threads[-1].start()
        return entered

    def wait(self) -> None:
        for thread in self._threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


def until(holds: Callable[[], bool]) -> None:
    for _ in range(int(PATIENCE_S / 0.001)):
        if holds():
            return
        threading.Event().wait(0.001)
    raise AssertionError("it did not come to that")


def test_readers_hold_it_together() -> None:
    watched, end = Watched(), threading.Event()
    first = watched.start("a", writes=False, until=end)
    second = watched.start("b", writes=False, until=end)
    assert first.wait(PATIENCE_S) and second.wait(PATIENCE_S)
    end.set()
    watched.wait()


def test_a_waiting_writer_goes_before_later_readers_and_they_before_the_next_writer() -> None:
    watched, ends = Watched(), [threading.Event() for _ in range(4)]
    lock = watched.lock
    assert watched.start("reader 1", writes=False, until=ends[0]).wait(PATIENCE_S)
    first = watched.start("writer 1", writes=True, until=ends[1])
    until(lambda: lock._writers_waiting == 1)
    reader = watched.start("reader 2", writes=False, until=ends[2])
    until(lambda: lock._readers_waiting == 1)
    assert not reader.is_set() and not first.is_set()
    ends[0].set()
    assert first.wait(PATIENCE_S)
    second = watched.start("writer 2", writes=True, until=ends[3])
    until(lambda: lock._writers_waiting == 1)
    assert not reader.is_set()
    ends[1].set()
    assert reader.wait(PATIENCE_S)
    assert not second.is_set()
    ends[2].set()
    assert second.wait(PATIENCE_S)
    ends[3].set()
    watched.wait()
    assert watched.events == ["reader 1", "writer 1", "reader 2", "writer 2"]


def test_an_error_inside_gives_it_back() -> None:
    lock = ReadersWriterLock()
    with pytest.raises(KeyError), lock.writing():
        raise KeyError
    with pytest.raises(KeyError), lock.reading():
        raise KeyError
    with lock.writing():
        pass
