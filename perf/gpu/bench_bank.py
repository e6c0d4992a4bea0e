"""What a bank gains on a GPU: orders of different characters in one batch, beside one after the other.

python -m perf.gpu.bench_bank [--smoke] [options of perf.gpu.bank, which runs in the exporter's environment]
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from perf.gpu.bench_denoiser import measured
from perf.report import machine, publish, table

SMOKE = "--tiny --device cpu --dtype float32 --runners eager --batches 1,2 --sizes 64x64 --rounds 1"
COLUMNS = ("runner", "batch", "width", "height", "plain_ms", "bank_ms", "step_overhead", "batch_speedup")


def compare(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """`batch_speedup`: so many times the steps a second of merged engines, which take these orders one after
    the other, each in a batch of its own."""
    times = {
        (row["network"], row["runner"], row["width"], row["height"], row["batch"]): row["ms_per_step"]
        for row in rows
    }
    found = []
    for (network, *shape, batch), plain in times.items():
        banked = times.get(("bank", *shape, batch))
        alone = times.get(("plain", *shape, 1))
        if network == "plain" and banked and alone:
            runner, width, height = shape
            figures = {"plain_ms": plain, "bank_ms": banked}
            figures |= {"step_overhead": round(banked / plain - 1, 3)}
            figures |= {"batch_speedup": round(batch * alone / banked, 2)}
            found.append({"runner": runner, "batch": batch, "width": width, "height": height, **figures})
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    where = machine()
    code, figures, tried = measured("perf.gpu.bank", SMOKE, sys.argv[1:] if arguments is None else arguments)
    if figures is None:
        return code
    rows = compare(figures["rows"])
    table(
        f"{figures['device']}, a bank of {figures['bank']}",
        COLUMNS,
        [[row[name] for name in COLUMNS] for row in rows],
    )
    publish("gpu-bank", {**figures, "rows": rows}, where, smoke=tried)
    return 0


if __name__ == "__main__":
    sys.exit(main())
