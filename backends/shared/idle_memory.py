"""What a network's last run has left behind is given back once nobody has asked for a while.

The next run then takes a little longer: its memory comes from the system anew.
"""

import contextlib
import threading
import time
import weakref
from collections.abc import Callable, Iterator

IDLE_S = 20.0


class IdleMemory:
    """`release` is called IDLE_S after the last run, never beside one, in a thread of its own, which ends
    with this object."""

    def __init__(self, release: Callable[[], object], idle_s: float = IDLE_S) -> None:
        self._release = release
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._last = 0.0  # when a run ended
        self._held = threading.Event()  # set from a run until its memory is given back
        arguments = weakref.ref(self), self._held
        threading.Thread(target=_watch, args=arguments, name="idle-memory", daemon=True).start()
        weakref.finalize(self, self._held.set).atexit = False

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            finally:
                self._last = time.monotonic()
                self._held.set()

    def give_back(self) -> float:
        """If it is time; else how many seconds there are to wait."""
        with self._lock:
            left = self._last + self._idle_s - time.monotonic()
            if left <= 0:
                self._held.clear()
                self._release()
            return left


def _watch(memory: "weakref.ref[IdleMemory]", held: threading.Event) -> None:
    while held.wait():
        if (owner := memory()) is None:
            return
        left = owner.give_back()
        del owner  # a network that is not needed any more goes, whoever waits here
        time.sleep(max(left, 0.0))
