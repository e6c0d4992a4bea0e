"""How near each network comes to what the processor can do: python -m perf.bench_limits [--models demo,sd15]

Operations are counted in the graph and divided by the time of a run; beside them stands the rate of a big
product of matrices by the same library in the same precision and process, by turns with the network. Each
contender is a process of its own.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from contract.names import COMMON_PARTS, DECODER, DENOISER, network_name
from perf.limits.task import CANNOT, SIDES, LimitsTask, Outcome
from perf.report import machine, publish, read_options, table

ROOT = Path(__file__).parent.parent
ENVIRONMENTS = ROOT / ".venv" / "parts"
RUNTIMES = (("openvino", "bf16"), ("openvino", "f32"), ("onnxruntime", "f32"))  # in the server's order
DIFFUSERS = (("diffusers", "bf16"), ("diffusers", "f32"))
MAX_APART = 0.2  # of the norm of what the first makes: rounding to bf16 is far below, another network above
CAP_GIB = 15  # of addresses: the machine lives on if a contender wants more
SMOKE_SIDE = 64


@dataclass(frozen=True)
class LimitsModel:
    name: str
    repository: Path
    checkpoint: Path | None  # where diffusers can draw it, too
    width: int  # of the latents
    height: int


@dataclass(frozen=True)
class Row:
    model: str
    part: str
    contender: str
    gflop: float
    seconds: float
    cpu_seconds: float
    tflops: float
    product_tflops: float
    share: float  # of the product's rate
    cpu_share: float  # the same by processor time
    peak_gb: float


class LimitsError(Exception):
    """One line."""


def models(names: Sequence[str], folder: Path, *, smoke: bool) -> Iterator[LimitsModel]:
    """At the API's default size, and at SD 1.5's own."""
    if "demo" in names:
        yield LimitsModel("demo", ROOT / "demo" / "models", None, *((8, 8) if smoke else (42, 24)))
    if "sd15" in names:
        checkpoint, repository = folder / "checkpoint", folder / "repository"
        if not checkpoint.is_dir():
            _make("perf.full_size", str(folder), "--family", "sd15", *(("--tiny",) if smoke else ()))
        if not repository.is_dir():
            _make("perf.limits.export_parts", str(checkpoint), str(repository))
        yield LimitsModel("sd15", repository, checkpoint, *((8, 8) if smoke else (64, 64)))


def _make(*command: str) -> None:
    """Raises LimitsError."""
    done = _run("export", *command, capture=False)
    if done.returncode:
        raise LimitsError(f"{command[0]} failed")


def _run(environment: str, *command: str, capture: bool) -> subprocess.CompletedProcess[str]:
    python = str(ENVIRONMENTS / environment / "bin" / "python")
    return subprocess.run(
        ["prlimit", f"--as={CAP_GIB << 30}", python, "-m", *command],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE if capture else sys.stderr,
        stderr=subprocess.PIPE if capture else None,
        text=True,
        check=False,
    )


def tasks(model: LimitsModel, rounds: int, sides: Sequence[int], folder: Path) -> Iterator[LimitsTask]:
    """Of each part, the server's runtimes in their order; and of the denoiser, diffusers."""
    for part in COMMON_PARTS:
        graph = model.repository / network_name("eros", part) / "1" / "model.onnx"
        sources = [(*runtime, graph) for runtime in RUNTIMES]
        if part == DENOISER and model.checkpoint:
            sources += [(*one, model.checkpoint) for one in DIFFUSERS]
        for library, precision, source in sources:
            yield LimitsTask(
                source=str(source),
                part=part,
                library=library,
                precision=precision,
                height=model.height,
                width=model.width,
                rounds=rounds,
                sides=sides,
                output=str(folder / f"{model.name}-{part}-{library}-{precision}.npy"),
            )


def attempt(task: LimitsTask) -> Outcome | str:
    """Or why this machine cannot. Raises LimitsError."""
    ours = task.library != "diffusers"
    module = "perf.limits.our_runtime" if ours else "perf.limits.diffusers_step"
    done = _run("triton" if ours else "export", module, json.dumps(asdict(task)), capture=True)
    last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1][:300]
    if done.returncode == CANNOT:
        return last
    if done.returncode:
        raise LimitsError(f"{task.contender}, {task.part}: {last}")
    return Outcome(**json.loads(done.stdout.strip().splitlines()[-1]))


def check_alike(made: npt.NDArray[Any], first: npt.NDArray[Any], who: str) -> None:
    """Raises LimitsError where two contenders do not compute the same, but for rounding."""
    one, other = made.astype(np.float64), first.astype(np.float64)
    apart = float(np.linalg.norm(one - other) / np.linalg.norm(other)) if one.shape == other.shape else np.inf
    if not apart <= MAX_APART:
        raise LimitsError(f"{who} computes something else: {apart:.2g} apart, relative")


def measure(
    model: LimitsModel, rounds: int, sides: Sequence[int], folder: Path, cannot: dict[str, str]
) -> list[Row]:
    """The denoiser by all who can, the other parts by the first; adds to `cannot` who cannot, and why.

    Raises LimitsError.
    """
    rows: list[Row] = []
    first: dict[str, tuple[npt.NDArray[Any], int]] = {}  # what it made, its operations
    for task in tasks(model, rounds, sides, folder):
        if task.contender in cannot or (task.part in first and task.part != DENOISER):
            continue
        who = f"{model.name} {task.part}: {task.contender}"
        print(who, file=sys.stderr)
        outcome = attempt(task)
        if isinstance(outcome, str):
            cannot[task.contender] = outcome
            continue
        made, operations = first.setdefault(task.part, (np.load(task.output), outcome.operations))
        check_alike(np.load(task.output), made, who)
        if outcome.operations != operations:
            raise LimitsError(f"{who}: {outcome.operations} operations, and {operations} in the graph")
        rows.append(row_of(model, task, outcome))
    return rows


def row_of(model: LimitsModel, task: LimitsTask, outcome: Outcome) -> Row:
    tflops = outcome.operations / outcome.seconds / 1e12
    return Row(
        model=model.name,
        part=task.part,
        contender=task.contender,
        gflop=round(outcome.operations / 1e9, 1),
        seconds=round(outcome.seconds, 4),
        cpu_seconds=round(outcome.cpu_seconds, 4),
        tflops=round(tflops, 4),
        product_tflops=round(outcome.product_tflops, 4),
        share=round(tflops / outcome.product_tflops, 3),
        cpu_share=round(outcome.operations / outcome.cpu_seconds / 1e12 / outcome.product_tflops_core, 3),
        peak_gb=round(outcome.peak_gb, 2),
    )


def summarise(rows: Sequence[Row]) -> dict[str, Any]:
    """Of SD 1.5's shapes. The engine is the first of the server's runtimes that this machine can run.

    `…_vs_…`: how many of its guided steps are done in the time of one of diffusers'; null where one of them
    cannot run.
    """
    engine = rows[0].contender
    of = {(row.part, row.contender): row for row in rows if row.model == "sd15"}

    def share(part: str) -> float | None:
        return of[part, engine].share if (part, engine) in of else None

    def beside(ours: str, theirs: str) -> float | None:
        one, other = of.get((DENOISER, ours)), of.get((DENOISER, theirs))
        return round(other.seconds / one.seconds, 3) if one and other else None

    return {
        "engine": engine,
        "denoiser_share": share(DENOISER),
        "decoder_share": share(DECODER),
        "engine_vs_diffusers_bf16": beside(engine, "diffusers bf16"),
        "f32_vs_diffusers_f32": beside("openvino f32", "diffusers f32"),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default="demo,sd15", help="demo, sd15, or both with a comma")
    parser.add_argument("--rounds", type=int, default=3, help="runs of a network, of which the best counts")
    parser.add_argument("--folder", type=Path, help="keep checkpoint and graphs there; 4 GB")
    given = read_options(parser, {"rounds": 1}, arguments)
    where, sides = machine(), (SMOKE_SIDE,) if given.smoke else SIDES
    rows: list[Row] = []
    cannot: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        try:
            for model in models(given.models.split(","), given.folder or Path(name), smoke=given.smoke):
                rows += measure(model, given.rounds, sides, Path(name), cannot)
        except LimitsError as error:
            print(f"bench-limits: {error}", file=sys.stderr)
            return 1
    show(rows, cannot)
    figures = {**summarise(rows), "rows": [asdict(row) for row in rows], "cannot": cannot}
    publish("limits", figures, where, smoke=given.smoke)
    return 0


def show(rows: Sequence[Row], cannot: Mapping[str, str]) -> None:
    columns = ("", "GFLOP", "s", "CPU s", "TFLOP/s", "product", "share", "CPU share", "GB")
    figures = [
        (
            row.gflop,
            row.seconds,
            row.cpu_seconds,
            row.tflops,
            row.product_tflops,
            row.share,
            row.cpu_share,
            row.peak_gb,
        )
        for row in rows
    ]
    names = [f"{row.model} {row.part}: {row.contender}" for row in rows]
    left_out = "".join(f"\nnot run: {contender}: {reason}" for contender, reason in cannot.items())
    title = f"One run of each network, beside a big product of matrices{left_out}"
    table(title, columns, [(name, *row) for name, row in zip(names, figures, strict=True)])


if __name__ == "__main__":
    sys.exit(main())
