"""A new character at full size, by our merge and the usual way: python -m perf.bench_export [--family sdxl]

Each step is a process of its own: its time from start to end, its largest resident memory. The usual way is
diffusers' LoRA loader, fuse_lora and another ONNX export.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from perf.report import machine, publish, table

ROOT = Path(__file__).parent.parent
PARTS = ROOT / ".venv" / "parts"
EXPORT, MERGE = (str(PARTS / name / "bin" / "python") for name in ("export", "triton"))


@dataclass(frozen=True)
class Took:
    seconds: float
    peak_gb: float
    said: dict[str, float]


def run(*command: str) -> Took:
    """Raises SystemExit with the last line that a failing step said."""
    started = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(os.cpu_count())}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        output, errors = process.communicate()
    seconds = time.monotonic() - started
    if process.returncode:
        last = (errors.strip().splitlines() or [f"exit status {process.returncode}"])[-1]
        sys.exit(f"{' '.join(command[1:5])}: {last}")
    lines = output.strip().splitlines()
    said = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    return Took(seconds, float(said.pop("peak_gb", 0)), said)


def measured(*command: str) -> Took:
    """As `run`, with the peak of memory, which a wrapper process is told when its child has ended."""
    wrapper = (
        "import json, resource, subprocess, sys; done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE);"
        "last = done.stdout.decode().strip().splitlines()[-1:];"
        "said = json.loads(last[0]) if last and last[0].startswith('{') else {};"
        "said['peak_gb'] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9;"
        "print(json.dumps(said)); sys.exit(done.returncode)"
    )
    return run(sys.executable, "-c", wrapper, *command)


def measure(folder: Path, family: str, rank: int, plan: bool) -> dict[str, Any]:
    console = Console(stderr=True)
    console.print(f"writing a random {family} checkpoint and a LoRA of rank {rank}")
    run(EXPORT, "-m", "perf.full_size", str(folder), "--family", family, "--rank", str(rank))
    console.print("exporting its UNet")
    exported = measured(EXPORT, "-m", "perf.export_steps", "export", str(folder))
    console.print("merging the LoRA")
    repository = str(folder / "repository")
    options = ("--name", "aya", "--model", "eros", "--repository", repository)
    merged = measured(MERGE, "-m", "export.character", str(folder / "lora.safetensors"), *options)
    console.print("the usual way: load, fuse, export again")
    usual = measured(EXPORT, "-m", "perf.export_steps", "fuse", str(folder))
    size = sum(path.stat().st_size for path in (folder / "repository" / "eros-denoiser" / "1").iterdir())
    figures: dict[str, Any] = {
        "family": family,
        "rank": rank,
        "model_gb": round(size / 1e9, 2),
        "export_seconds": round(exported.seconds, 1),
        "export_peak_gb": round(exported.peak_gb, 1),
        "merge_seconds": round(merged.seconds, 1),
        "merge_peak_gb": round(merged.peak_gb, 2),
        "usual_seconds": round(usual.seconds, 1),
        "usual_fuse_seconds": round(usual.said.get("fuse", 0), 1),
        "usual_peak_gb": round(usual.peak_gb, 1),
        "speedup": round(usual.seconds / merged.seconds, 1),
    }
    if plan:
        console.print("building a plan with TensorRT")
        built = measured(EXPORT, "-m", "perf.export_steps", "plan", str(folder))
        figures |= {"plan_seconds": round(built.seconds, 1), "plan_peak_gb": round(built.peak_gb, 1)}
    return figures


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", choices=("sdxl", "sd15"), default="sdxl")
    parser.add_argument("--rank", type=int, default=32)
    parser.add_argument("--plan", action="store_true", help="build a TensorRT plan too (memory!)")
    parser.add_argument(
        "--folder", type=Path, help="where to work; needs 40 GB for SDXL (default: a temporary one)"
    )
    given = parser.parse_args(arguments)
    where = machine()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        figures = measure(Path(name), given.family, given.rank, given.plan)
    rows = [
        ("ONNX export of the UNet", figures["export_seconds"], figures["export_peak_gb"]),
        ("new character: merge", figures["merge_seconds"], figures["merge_peak_gb"]),
        ("new character: load, fuse, export again", figures["usual_seconds"], figures["usual_peak_gb"]),
    ]
    if given.plan:
        rows.append(("TensorRT plan, 1024x1024", figures["plan_seconds"], figures["plan_peak_gb"]))
    title = f"{given.family}, {figures['model_gb']} GB in fp16; merge is {figures['speedup']} times faster"
    table(title, ("step", "seconds", "peak GB"), rows)
    publish(f"export-{given.family}", figures, where)


if __name__ == "__main__":
    main()
