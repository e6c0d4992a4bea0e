"""Runs perf_analyzer, NVIDIA's load generator for Triton, and reads its report."""

import asyncio
import csv
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HOME = Path(sys.prefix) / "parts" / "perf-analyzer"
LIBRARIES = (HOME / "nvidia" / "cuda_runtime" / "lib", HOME / "debian" / "usr" / "lib" / "x86_64-linux-gnu")


class AnalyzerError(Exception):
    """One line: what is missing or went wrong."""


@dataclass(frozen=True)
class AnalyzerLoad:
    """Of one concurrency. Latency is to the last response of a stream."""

    per_second: float
    p50_ms: float
    p90_ms: float


async def analyze(
    url: str, model: str, concurrency: int, requests: int, options: Sequence[str], folder: Path
) -> AnalyzerLoad:
    """Over three windows of at least `requests` requests, `concurrency` at a time. Raises AnalyzerError."""
    report = folder / "report.csv"
    report.unlink(missing_ok=True)
    process = await asyncio.create_subprocess_exec(
        *(_binary(), "-i", "grpc", "-u", url, "-m", model, "--async", "-f", str(report)),
        *("--concurrency-range", str(concurrency), *options),
        *("--measurement-mode", "count_windows", "--measurement-request-count", str(requests)),
        # The figures of its three windows are averaged, however much they differ.
        *("--stability-percentage", "999"),
        env={**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(map(str, LIBRARIES))},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode or not report.exists():
        raise AnalyzerError(f"perf_analyzer: {_reason(output.decode(errors='replace'))}")
    return parse(report.read_text())


def _binary() -> str:
    binary = HOME / "bin" / "perf_analyzer"
    if not binary.exists():
        raise AnalyzerError("perf_analyzer is not installed; run `make bench-triton`")
    return str(binary)


def _reason(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()] or ["it ended without a word"]
    telling = [line for line in lines if "error" in line.lower() or "failed" in line.lower()]
    return (telling or lines)[-1][:300]


def parse(report: str) -> AnalyzerLoad:
    """From the text of its CSV file, which gives microseconds. Raises AnalyzerError."""
    try:
        row = next(csv.DictReader(report.splitlines()))
        times = [float(row[f"p{share} latency"]) / 1e3 for share in (50, 90)]
        return AnalyzerLoad(float(row["Inferences/Second"]), *times)
    except (StopIteration, KeyError, TypeError, ValueError):
        raise AnalyzerError("perf_analyzer wrote no figures") from None
