"""Times of work on a device, and the two ceilings."""

import statistics
import time
from collections.abc import Callable

import torch

from perf.gpu.floor import Ceilings

WARM_UP, ROUNDS = 3, 10


def wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def seconds(work: Callable[[], object], device: str, rounds: int = ROUNDS, warm_up: int = WARM_UP) -> float:
    """The median of single runs, each from a quiet device to a quiet device."""
    for _ in range(warm_up):
        work()
    times = []
    for _ in range(rounds):
        wait(device)
        started = time.perf_counter()
        work()
        wait(device)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def measure_ceilings(device: str, dtype: torch.dtype, side: int, copied_mib: int) -> Ceilings:
    """A square matrix product of `side`, and a copy of `copied_mib` MiB."""
    left, right = (torch.randn((side, side), device=device, dtype=dtype) for _ in range(2))
    product = seconds(lambda: left @ right, device)
    source = torch.ones(copied_mib << 20, device=device, dtype=torch.uint8)
    target = torch.empty_like(source)
    copy = seconds(lambda: target.copy_(source), device)
    return Ceilings(tflops_of(side, product), gb_per_s_of(source.nbytes, copy))


def tflops_of(side: int, took: float) -> float:
    """side² sums of side products."""
    return 2 * side**3 / took / 1e12


def gb_per_s_of(size: int, took: float) -> float:
    """Every byte is read and written."""
    return 2 * size / took / 1e9
