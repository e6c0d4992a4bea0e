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


def measured(module: str, smoke: str, arguments: Sequence[str]) -> tuple[int, dict[str, Any] | None, bool]:
    """Runs the measuring side in the exporter's environment: exit status, figures (None: there are none, and
    all is said), and whether they are those of a try, which are no results."""
    given = [option for option in arguments if option != "--smoke"]
    if len(given) < len(arguments):
        given = [*smoke.split(), *given]
    done = subprocess.run(
        [str(PYTHON), "-m", module, *given],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode or "--help" in given:
        print(done.stdout, end="")
        return done.returncode, None, True
    figures: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return 0, figures, figures["device"] == "cpu" or "--tiny" in given


def main(arguments: Sequence[str] | None = None) -> int:
    where = machine()
    given = sys.argv[1:] if arguments is None else arguments
    code, figures, tried = measured("perf.gpu.measure", SMOKE, given)
    if figures is None:
        return code
    figures |= {"mlperf": list(MLPERF), **beside_mlperf(figures["rows"])}
    title = f"{figures['device']}: {figures['tflops']} TFLOP/s and {figures['gb_per_s']} GB/s were measured"
    table(title, COLUMNS, [[row[name] for name in COLUMNS] for row in figures["rows"]])
    publish("gpu-denoiser", figures, where, smoke=tried)
    return 0


if __name__ == "__main__":
    sys.exit(main())
