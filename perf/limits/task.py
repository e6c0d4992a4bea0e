"""What a contender's process is told, and what it answers: one line of JSON each."""

import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import NoReturn

CANNOT = 3
"""The exit status of a process whose contender this machine cannot run; its last line says why."""
SIDES = (2048, 4096)
"""Of the products of square matrices that stand for what the processor can do; the better one counts."""


@dataclass(frozen=True, kw_only=True)
class LimitsTask:
    source: str  # our runtimes: a graph; diffusers: a checkpoint
    part: str
    library: str
    precision: str
    height: int  # of the latents, as is
    width: int
    rounds: int
    sides: Sequence[int] = SIDES
    output: str  # where the process leaves what the network made, as .npy

    @property
    def contender(self) -> str:
        return f"{self.library} {self.precision}"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    seconds: float  # of one run, the best of all
    cpu_seconds: float  # of the processor, of all its cores together: the steadier figure on a busy machine
    product_tflops: float  # of the big product in the same library, precision and process, between the runs
    product_tflops_core: float  # the same for a second of one core
    peak_gb: float  # of memory, the process's
    operations: int = 0  # of one run, as its library counts them


@dataclass(frozen=True)
class RunTime:
    seconds: float
    cpu_seconds: float


def measure(
    rounds: int, run: Callable[[], object], products: Sequence[tuple[int, Callable[[], object]]]
) -> Outcome:
    """By turns, so that both see the same machine; `run` has run once. `products`: sides, what multiplies."""
    runs: list[RunTime] = []
    rates: list[tuple[float, float]] = []
    for _, multiply in products:
        multiply()
    for _ in range(rounds):
        for side, multiply in products:
            took = _took(multiply)
            rates.append((2 * side**3 / took.seconds / 1e12, 2 * side**3 / took.cpu_seconds / 1e12))
        runs.append(_took(run))
    return Outcome(
        seconds=min(took.seconds for took in runs),
        cpu_seconds=min(took.cpu_seconds for took in runs),
        product_tflops=max(whole for whole, _ in rates),
        product_tflops_core=max(core for _, core in rates),
        peak_gb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
    )


def _took(work: Callable[[], object]) -> RunTime:
    started, busy = time.perf_counter(), time.process_time()
    work()
    return RunTime(time.perf_counter() - started, time.process_time() - busy)


def read_task() -> LimitsTask:
    return LimitsTask(**json.loads(sys.argv[1]))


def refuse(reason: str) -> NoReturn:
    print(reason, file=sys.stderr)
    sys.exit(CANNOT)


def answer(outcome: Outcome) -> None:
    print(json.dumps(asdict(outcome)), flush=True)
