"""SDXL's denoiser on a GPU: ms per step, pictures a second, beside the floor and MLPerf's figure.

python -m perf.gpu.bench_denoiser [--smoke] [options of perf.gpu.measure]; it runs that in the exporter's
environment.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from perf.report import machine, publish, table

ROOT = Path(__file__).parent.parent.parent
PYTHON = ROOT / ".venv" / "parts" / "export" / "bin" / "python"
MLPERF = (2.0, 2.3)
"""Pictures a second of one H100 in MLPerf Inference: SDXL, 1024x1024, 20 steps with guidance."""
MLPERF_SIZE = (1024, 1024)
SMOKE = "--tiny --device cpu --dtype float32 --runners eager --batches 1 --sizes 64x64 --rounds 1"
COLUMNS = (
    "runner",
    "batch",
    "width",
    "height",
    "ms_per_step",
    "floor_ms",
    "share_of_floor",
    "pictures_per_s",
)


def beside_mlperf(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The most pictures a second at MLPerf's size, and that over its two figures; empty without that size."""
    rates = [row["pictures_per_s"] for row in rows if (row["width"], row["height"]) == MLPERF_SIZE]
    if not rates:
        return {}
    best = max(rates)
    return {"best_pictures_per_s": best, "of_mlperf": [round(best / figure, 2) for figure in MLPERF]}


def main(arguments: Sequence[str] | None = None) -> int:
    given = list(sys.argv[1:] if arguments is None else arguments)
    smoke = "--smoke" in given
    given = [*(SMOKE.split() if smoke else ()), *(option for option in given if option != "--smoke")]
    where = machine()
    done = subprocess.run(
        [str(PYTHON), "-m", "perf.gpu.measure", *given],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode or "--help" in given:
        print(done.stdout, end="")
        return done.returncode
    figures = json.loads(done.stdout.strip().splitlines()[-1])
    figures |= {"mlperf": list(MLPERF), **beside_mlperf(figures["rows"])}
    tried = figures["device"] == "cpu" or "--tiny" in given  # figures of a try are no results
    title = f"{figures['device']}: {figures['tflops']} TFLOP/s and {figures['gb_per_s']} GB/s were measured"
    table(title, COLUMNS, [[row[name] for name in COLUMNS] for row in figures["rows"]])
    publish("gpu-denoiser", figures, where, smoke=tried)
    return 0


if __name__ == "__main__":
    sys.exit(main())
