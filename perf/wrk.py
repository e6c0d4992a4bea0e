"""Runs wrk, the HTTP load generator, and reads what it measured."""

import asyncio
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

HOME = Path(sys.prefix) / "parts" / "wrk" / "usr"  # where `make bench-api` puts it
SCRIPT = Path(__file__).with_name("post.lua")
CONNECTIONS = 64


class WrkError(Exception):
    """One line: what is missing or went wrong."""


@dataclass(frozen=True)
class HttpLoad:
    """What one run saw."""

    requests: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float


class _Line(msgspec.Struct, frozen=True):
    """The last line of post.lua."""

    requests: int
    microseconds: int
    p50_us: int
    p99_us: int
    failed: int


def wrk_binary() -> str:
    found = shutil.which("wrk", path=os.pathsep.join((os.environ.get("PATH", ""), str(HOME / "bin"))))
    if found is None:
        raise WrkError("wrk is not on PATH; on Debian and Ubuntu: make bench-api, or apt-get install wrk")
    return found


def _environment(key: str) -> dict[str, str]:
    libraries = [*HOME.glob("lib/*-linux-gnu"), Path(os.environ.get("LD_LIBRARY_PATH", ""))]
    return {**os.environ, "BENCH_KEY": key, "LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries))}


async def wrk(url: str, key: str, bodies: Path, seconds: int) -> HttpLoad:
    """POSTs the bodies of a file (one a line) in turn. Raises WrkError, also where one request failed."""
    process = await asyncio.create_subprocess_exec(
        *(
            wrk_binary(),
            "-t1",
            f"-c{CONNECTIONS}",
            f"-d{seconds}s",
            "-s",
            str(SCRIPT),
            url,
            "--",
            str(bodies),
        ),
        env=_environment(key),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return parse(output.decode(errors="replace").splitlines())


def parse(lines: Sequence[str]) -> HttpLoad:
    """Raises WrkError where the last line is not post.lua's, or tells of failures."""
    try:
        line = msgspec.json.decode(lines[-1], type=_Line)
    except (IndexError, msgspec.MsgspecError):
        raise WrkError(f"wrk: {lines[-1] if lines else 'ended without a word'}") from None
    if line.failed or not line.requests:
        raise WrkError(f"wrk: {line.failed} of {line.requests} requests failed")
    return HttpLoad(
        line.requests, line.requests / line.microseconds * 1e6, line.p50_us / 1e3, line.p99_us / 1e3
    )
