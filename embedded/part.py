"""One server process of the embedded default: how it is started, known to be ready, and stopped."""

import asyncio
import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from embedded.child import kill, spawn
from embedded.listener import is_listener
from embedded.logs import last_error_line, open_log
from frontend.common import seccomp

PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
MIN_PORT = 10_000  # below are the well-known ones, those of the API and of what people run beside it
PORT_TRIES = 100
# glibc otherwise keeps the memory of past pictures in the arena of every thread that ever held one. From
# 1 MiB up, a buffer is now mapped by itself and goes back to the system at once; see perf/README.md.
MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(1 << 20)}
UMASK = 0o077
# What every part finds of our environment: nothing in it is a secret. Names, or patterns of names.
INHERITED = (
    "HOME", "LANG", "LANGUAGE", "LC_*", "LD_LIBRARY_PATH", "LOGNAME", "PATH", "PYTHONDONTWRITEBYTECODE",
    "TMPDIR", "TZ", "USER", "*_NUM_THREADS",
)  # fmt: skip


class PartError(Exception):
    """A part did not start; the text names the part and the log file to read."""


async def assume_healthy(pid: int) -> bool:
    return False


def do_nothing() -> None: ...


@dataclass(frozen=True, kw_only=True)
class SystemPart:
    name: str  # also the name of its log file
    url: str  # what its clients are told
    listens_at: Path | int | None = None  # its Unix socket or TCP port, where nobody else must be
    command: tuple[str, ...]
    # Of a start after the first, where it may be another one; raises PartError. None: the same.
    next_command: Callable[[], tuple[str, ...]] | None = None
    title: str = ""  # what people call it; empty: its name
    ready: Callable[[], Awaitable[bool]]  # asked until true; raises PartError where it never will be
    environment: Mapping[str, str] = field(default_factory=dict)  # added to what it inherits
    inherits: tuple[str, ...] = ()  # names of our environment, or patterns of names, beside INHERITED
    confine: Callable[[], None] = do_nothing  # called in its process before it begins; raises OSError
    is_unhealthy: Callable[[int], Awaitable[bool]] = assume_healthy  # asked of a pid: it is then replaced
    background: bool = False  # nobody waits for it at start, and its failure stops nothing
    start_timeout_s: float = 60.0
    stop_timeout_s: float = 10.0

    @property
    def label(self) -> str:
        return self.title or self.name


def python_of(name: str) -> str:
    """The interpreter of a part's own environment (`triton`, `acs`, `llm`, `export`)."""
    return str(Path(sys.prefix) / "parts" / name / "bin" / "python")


def installed_python(name: str) -> str:
    """Raises PartError where the part's environment is not there, as when imgen alone was installed."""
    python = python_of(name)
    if not Path(python).is_file():
        raise PartError(f"{name} is not installed; run `make install`, or as the README says of the wheel")
    return python


def site_of(name: str) -> Path:
    """The site-packages of a part's own environment."""
    return Path(sys.prefix) / "parts" / name / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"


def free_port(connections: Path = PORT_RANGE) -> int:
    """A TCP port on 127.0.0.1 that nobody listens on at the moment.

    Below the range from which the kernel takes the near end of connections (`connections`, see ip(7)): a part
    binds its port seconds after we chose it, and a busy machine opens thousands of connections by then.
    """
    least = int(connections.read_text().split()[0])
    for _ in range(PORT_TRIES):
        # No room below: any that the kernel has.
        port = random.randrange(MIN_PORT, least) if least > 2 * MIN_PORT else 0  # noqa: S311
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise PartError("no free TCP port was found on 127.0.0.1")


def _prepare(part: SystemPart) -> Callable[[], None]:
    """What a part's process does before it becomes the part's program."""

    def prepare() -> None:
        # So that killing the supervisor, even with SIGKILL, leaves nothing behind.
        seccomp.prctl(seccomp.PR_SET_PDEATHSIG, signal.SIGTERM)
        part.confine()

    return prepare


def inherit_environment(*more: str) -> dict[str, str]:
    """What a process of ours finds of our environment; `more`: names or patterns beside INHERITED."""
    patterns = (*INHERITED, *more)
    return {
        name: value
        for name, value in os.environ.items()
        if any(fnmatchcase(name, pattern) for pattern in patterns)
    }


async def start(part: SystemPart, logs: Path) -> asyncio.subprocess.Process:
    """The part's process, ready to serve. Raises PartError."""
    logs.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = logs / f"{part.name}.log"
    with open_log(log) as output:
        try:
            process = await spawn(
                *part.command,
                env={**MALLOC, **inherit_environment(*part.inherits), **part.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                umask=UMASK,
                preexec_fn=_prepare(part),
            )
        except subprocess.SubprocessError:  # of preexec_fn
            raise PartError(f"{part.label} could not be confined; this needs a kernel with seccomp") from None
    try:
        await _wait_until_ready(part, process, log)
    except BaseException:
        await stop(part, process)
        raise
    return process


async def _wait_until_ready(part: SystemPart, process: asyncio.subprocess.Process, log: Path) -> None:
    deadline = time.monotonic() + part.start_timeout_s
    while not (await _is_ready(part, log) and _answers_itself(part, process.pid)):
        if process.returncode is not None:
            ended = f"{part.label} ended while starting (exit {process.returncode})"
            raise PartError(f"{ended}; see {log}{_said(log)}")
        if time.monotonic() > deadline:
            raise PartError(f"{part.label} was not ready within {part.start_timeout_s:.0f} s; see {log}")
        await asyncio.sleep(0.05)


async def _is_ready(part: SystemPart, log: Path) -> bool:
    try:
        return await part.ready()
    except PartError as error:
        raise PartError(f"{error}; see {log}{_said(log)}") from None


def _said(log: Path) -> str:
    return f": {line}" if (line := last_error_line(log)) else ""


def _answers_itself(part: SystemPart, pid: int) -> bool:
    return part.listens_at is None or is_listener(pid, part.listens_at)


async def stop(part: SystemPart, process: asyncio.subprocess.Process) -> None:
    """Asks with SIGTERM, then insists with SIGKILL on the whole process group; at once if it is cancelled."""
    try:
        if process.returncode is None:
            process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), part.stop_timeout_s)
    finally:
        await kill(process)


@contextlib.asynccontextmanager
async def running(part: SystemPart, logs: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await start(part, logs)
    try:
        yield process
    finally:
        await stop(part, process)
