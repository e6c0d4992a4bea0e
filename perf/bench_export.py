"""A new character at full size, by our merge and the usual way: python -m perf.bench_export [--family sdxl]

Each step is a process of its own: its time from start to end, its largest resident memory. The usual way is
diffusers' LoRA loader, fuse_lora and another ONNX export.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from perf.report import machine, publish, read_options, table

ROOT = Path(__file__).parent.parent
PARTS = ROOT / ".venv" / "parts"
EXPORT, MERGE = (str(PARTS / name / "bin" / "python") for name in ("export", "triton"))


CAP_GIB = 14  # of memory for the steps that may want all of it


@dataclass(frozen=True)
class Adapter:
    """A LoRA as people publish them."""

    rank: int
    conv: bool = False
    text: bool = False

    @property
    def options(self) -> tuple[str, ...]:
        wanted = {"--conv": self.conv, "--text": self.text}
        return ("--rank", str(self.rank), *(option for option, on in wanted.items() if on))

    def __str__(self) -> str:
        return f"rank {self.rank}" + ", convolutions" * self.conv + ", text encoders" * self.text


USUAL = Adapter(32)  # the one that both ways are measured with
ADAPTERS = (Adapter(8), Adapter(128, conv=True, text=True), USUAL)
MAX_APART = 0.01  # of characters that were made in different ways, all in fp16


@dataclass(frozen=True)
class Took:
    seconds: float
    peak_gb: float
    cpu_seconds: float  # of the processor: the steadier figure on a busy machine
    said: dict[str, float]
    failure: str = ""  # the last line that a failed step said


def run(*command: str) -> Took:
    started = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(os.cpu_count())}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        output, errors = process.communicate()
    seconds = time.monotonic() - started
    failure = ""
    if process.returncode:
        failure = (errors.strip().splitlines() or [f"exit status {process.returncode}"])[-1]
    lines = output.strip().splitlines()
    said = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    return Took(seconds, float(said.pop("peak_gb", 0)), float(said.pop("cpu", 0)), said, failure)


def measured(*command: str) -> Took:
    """As `run`, with the peak of memory, which a wrapper process is told when its child has ended."""
    wrapper = (
        "import json, resource, subprocess, sys; done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE);"
        "last = done.stdout.decode().strip().splitlines()[-1:];"
        "said = json.loads(last[0]) if last and last[0].startswith('{') else {};"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN);"
        "said['peak_gb'] = used.ru_maxrss * 1024 / 1e9; said['cpu'] = used.ru_utime + used.ru_stime;"
        "said['system'] = used.ru_stime;"
        "print(json.dumps(said)); sys.exit(min(abs(done.returncode), 1))"
    )
    return run(sys.executable, "-c", wrapper, *command)


def capped() -> tuple[str, ...]:
    """The machine lives on if a step wants more."""
    return ("prlimit", f"--data={CAP_GIB << 30}")


def must(took: Took) -> Took:
    """Raises SystemExit for a step that failed."""
    if took.failure:
        sys.exit(took.failure)
    return took


def step(name: str, folder: Path) -> tuple[str, ...]:
    return (EXPORT, "-m", "perf.export_steps", name, str(folder))


def prepare(folder: Path, family: tuple[str, ...], console: Console) -> None:
    """What the steps read: a checkpoint, if an earlier run left none, and the model's text encoder."""
    if not (folder / "checkpoint").is_dir():
        console.print(f"writing a random checkpoint: {' '.join(family)}")
        must(run(EXPORT, "-m", "perf.full_size", str(folder), *family))
    console.print("exporting its text encoder")
    must(run(*step("text", folder)))


def merge(folder: Path, family: tuple[str, ...], adapter: Adapter, console: Console) -> dict[str, Any]:
    for made in (folder / "repository").glob("*--aya"):
        shutil.rmtree(made)
    lora = folder / "lora.safetensors"
    options = (str(folder), *family, "--lora-only", *adapter.options)
    must(run(EXPORT, "-m", "perf.full_size", *options))
    lora.read_bytes()  # both ways find it, and the base, in the system's cache
    console.print(f"merging a LoRA: {adapter}")
    repository = ("--repository", str(folder / "repository"))
    took = must(
        measured(MERGE, "-m", "export.character", str(lora), "--name", "aya", "--model", "eros", *repository)
    )
    return {
        **asdict(adapter),
        "lora_gb": round(lora.stat().st_size / 1e9, 2),
        "seconds": round(took.seconds, 1),
        "cpu_seconds": round(took.cpu_seconds, 1),
        "peak_gb": round(took.peak_gb, 2),
    }


def measure(
    folder: Path, name: str, adapters: Sequence[Adapter], *, tiny: bool, plan: bool
) -> dict[str, Any]:
    """The last of `adapters` is the one that is measured in every way."""
    console, family = Console(stderr=True), ("--family", name, *(("--tiny",) if tiny else ()))
    prepare(folder, family, console)
    console.print("exporting its UNet")
    exported = must(measured(*step("export", folder)))
    merges = [merge(folder, family, adapter, console) for adapter in adapters]
    console.print("the usual way: load, fuse, export again with optimum")
    usual = measured(*capped(), *step("usual", folder))
    console.print("the same with our export")
    again = must(measured(*step("fuse", folder)))
    # At full size one step of each takes more memory than everything before.
    compared = must(run(*step("compare", folder))).said if tiny else {}
    check_alike(compared.get("apart", 0.0))
    for made in ("usual-denoiser", "fused-denoiser", "eros-denoiser--aya", "eros-text-encoder--aya"):
        shutil.rmtree(folder / "repository" / made, ignore_errors=True)
    size = sum(path.stat().st_size for path in (folder / "repository" / "eros-denoiser" / "1").iterdir())
    ours = merges[-1]
    figures: dict[str, Any] = {
        "family": name,
        "rank": USUAL.rank,
        "model_gb": round(size / 1e9, 2),
        "export_seconds": round(exported.seconds, 1),
        "export_peak_gb": round(exported.peak_gb, 1),
        "merge_seconds": ours["seconds"],
        "merge_cpu_seconds": ours["cpu_seconds"],
        "merge_peak_gb": ours["peak_gb"],
        "merges": merges,
        "usual_seconds": round(usual.seconds, 1),
        "usual_cpu_seconds": round(usual.cpu_seconds, 1),
        "usual_peak_gb": round(usual.peak_gb, 1),
        "usual_failure": usual.failure,
        "again_seconds": round(again.seconds, 1),
        "again_cpu_seconds": round(again.cpu_seconds, 1),
        "again_fuse_seconds": round(again.said.get("fuse", 0), 1),
        "again_peak_gb": round(again.peak_gb, 1),
        "speedup": round((again if usual.failure else usual).seconds / ours["seconds"], 1),
        "speedup_to_our_export": round(again.seconds / ours["seconds"], 1),
    }
    return figures | compared | (build_plan(folder, console) if plan else {})


def check_alike(apart: float) -> None:
    """Raises SystemExit where the ways to a character do not end in the same one."""
    if not apart <= MAX_APART:
        sys.exit(f"bench-export: merged and fused characters draw differently: {apart:.2g} apart, relative")


def build_plan(folder: Path, console: Console) -> dict[str, Any]:
    console.print("building a plan with TensorRT")
    built = measured(*capped(), *step("plan", folder))
    figures = {"plan_seconds": round(built.seconds, 1), "plan_peak_gb": round(built.peak_gb, 1)}
    return figures | ({"plan_failure": built.failure} if built.failure else {})


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", choices=("sdxl", "sd15"), default="sdxl")
    parser.add_argument(
        "--plan", action="store_true", help=f"build a TensorRT plan too, in at most {CAP_GIB} GiB of memory"
    )
    parser.add_argument(
        "--folder", type=Path, help="keep everything there, and use its checkpoint next time; SDXL: 30 GB"
    )
    given = read_options(parser, {}, arguments)
    adapters, where = (USUAL,) if given.smoke else ADAPTERS, machine()
    with tempfile.TemporaryDirectory() as name:
        folder = given.folder or Path(name)
        figures = measure(folder, given.family, adapters, tiny=given.smoke, plan=given.plan)
    rows = [("ONNX export of the UNet", figures["export_seconds"], figures["export_peak_gb"])]
    rows += [
        (
            f"new character: merge, {Adapter(one['rank'], one['conv'], one['text'])}",
            one["seconds"],
            one["peak_gb"],
        )
        for one in figures["merges"]
    ]
    end = figures["usual_failure"] or "done"
    usual = f"new character: load, fuse, export again with optimum, {USUAL}: {end}"
    rows.append((usual, figures["usual_seconds"], figures["usual_peak_gb"]))
    again = f"new character: load, fuse, export again with ours, {USUAL}"
    rows.append((again, figures["again_seconds"], figures["again_peak_gb"]))
    if given.plan:
        name = f"TensorRT plan, 1024x1024: {figures.get('plan_failure', 'built')}"
        rows.append((name, figures["plan_seconds"], figures["plan_peak_gb"]))
    title = f"{given.family}, {figures['model_gb']} GB in fp16; merge is {figures['speedup']} times faster"
    table(title, ("step", "seconds", "peak GB"), rows)
    publish(f"export-{given.family}", figures, where, smoke=given.smoke)


if __name__ == "__main__":
    main()
