"""Kills a part of a running system in a chosen window: the moment is seen in what Redis is told."""

import contextlib
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import redis

from embedded.redis import redis_part
from frontend.settings import Settings
from tests.system.running import System, children_of

PATIENCE_S = 480.0  # for all kills together; a quiet machine needs a fifth of it
ATTEMPTS = Settings().job_attempts
# By the write that opens the window. Redis shows a command after it is on disk, and before the server that
# sent it has read the answer.
WINDOWS = {
    "accepted": r"HSET imgen:job:\S+ record .* state IN_QUEUE progress 0 attempt 0 ",
    "taken": r"HSET imgen:job:\S+ state IN_PROGRESS ",
    "drawing": r"HSET imgen:job:\S+ progress 0\.[1-9]",
    "made": r"HSET imgen:job:\S+ state REVIEWING ",
    "review": r"SET imgen:review:",
    "judged": r"HSET imgen:job:\S+ state COMPLETED verdict ",
}
# By a piece of its command line. Redis changes its own to name the socket.
PARTS = {"frontend": b"cli.main\0serve", "redis": b"unixsocket"}
T = TypeVar("T")


class Killer:
    def __init__(self, system: System) -> None:
        self._system = system
        self._redis_url = redis_part(system.folder).url
        self._deadline = time.monotonic() + PATIENCE_S

    def kill(self, part: str, window: str) -> None:
        """`stored` lies between a picture's files and its record; the other windows are rows above."""
        self._eventually(self._nobody_is_at_the_limit)
        pid = self._eventually(lambda: self._pid_of(part))
        if window == "stored":
            self._wait_for_files()
        else:
            self._wait_for(re.compile(WINDOWS[window]))
        os.kill(pid, signal.SIGKILL)
        self._eventually(lambda: self._pid_of(part) not in (None, pid))

    def _client(self) -> "redis.Redis":
        return redis.Redis.from_url(self._redis_url, protocol=2, socket_timeout=PATIENCE_S)

    def left_over(self) -> list[Any]:
        """What is kept of unfinished jobs; nothing, once all are finished."""
        with self._client() as client:
            waiting = [entry for entry, _ in client.xrange("imgen:queue")]
            return [*waiting, *client.zrange("imgen:waiting", 0, -1), *client.keys("imgen:open*")]

    def _pid_of(self, part: str) -> int | None:
        for pid in children_of(self._system.pid):
            with contextlib.suppress(OSError):
                if PARTS[part] in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return pid
        return None

    def _nobody_is_at_the_limit(self) -> bool:
        """A job may be killed three times by chance; a fourth kill would rightly fail it."""
        with self._client() as client:
            jobs = [f"imgen:job:{job.decode()}" for job in client.zrange("imgen:open", 0, -1)]
            return all(int(client.hget(job, "charged") or 0) < ATTEMPTS - 1 for job in jobs)

    def _wait_for(self, write: "re.Pattern[str]") -> None:
        with self._client() as client, client.monitor() as told:
            for command in told.listen():
                if write.match(command["command"]):
                    return
                assert time.monotonic() < self._deadline, f"nothing like {write.pattern} was told to Redis"

    def _wait_for_files(self) -> None:
        before = self._pictures()
        self._eventually(lambda: self._pictures() > before, pause_s=0.001)

    def _pictures(self) -> int:
        return sum(1 for _ in (self._system.folder / "files").rglob("*_00001.jpg"))

    def _eventually(self, found: Callable[[], T | None], pause_s: float = 0.05) -> T:
        """The first answer that is not false. Redis may be away in between."""
        while True:
            with contextlib.suppress(redis.RedisError):
                if answer := found():
                    return answer
            assert time.monotonic() < self._deadline, "the system did not come back"
            time.sleep(pause_s)
