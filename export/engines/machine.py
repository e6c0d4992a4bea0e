"""What a plan is bound to: the library that built it, its version, and the kind of GPU.

python -m export.engines.machine REPOSITORY... says which plans this machine cannot run, and ends with 2.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.errors import ExportError, print_error
from export.graphs.storage import PLAN_RECORD_FILE
from frontend.common.printable import printable

NO_GPU = "none"
QUERY = ("--query-gpu=name,compute_cap", "--format=csv,noheader")
QUERY_TIMEOUT_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Machine:
    builder: str  # tensorrt, or tensorrt_rtx, whose plans run on any RTX GPU
    version: str
    gpu: str  # name and compute capability, or NO_GPU

    @property
    def words(self) -> str:
        gpu = f"the GPU {self.gpu}" if self.gpu != NO_GPU else "no GPU"
        return f"{self.builder} {self.version} and {gpu}"

    def builds_like(self, other: "Machine") -> bool:
        """Whether a plan that is built here runs where the other's does."""
        same = (self.builder, self.version) == (other.builder, other.version)
        return same and (self.gpu == other.gpu or self.builder != "tensorrt")


def gpu(program: str | None = None) -> str:
    """Name and compute capability of the machine's first GPU. `program`: nvidia-smi, looked for on PATH."""
    program = program or shutil.which("nvidia-smi")
    if program is None:
        return NO_GPU
    try:
        done = subprocess.run(
            [program, *QUERY], capture_output=True, text=True, timeout=QUERY_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return NO_GPU
    first = done.stdout.strip().partition("\n")[0]
    return first if done.returncode == 0 and first else NO_GPU


def read_record(model: Path) -> dict[str, Any] | None:
    """What plan.json in a model's folder says; None where the model has no plan. Raises ExportError."""
    path = model / PLAN_RECORD_FILE
    if not path.is_file():
        return None
    try:
        record: dict[str, Any] = json.loads(path.read_bytes())
        machine_of(record)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise ExportError(f"{path} cannot be read: export the model again") from None
    return record


def machine_of(record: dict[str, Any]) -> Machine:
    return Machine(**{name: record[name] for name in ("builder", "version", "gpu")})


def check_builds_like(model: Path, here: Machine) -> None:
    """Raises ExportError where a plan that is built here would not run beside the plan of `model`."""
    record = read_record(model)
    if record is None or here.builds_like(machine_of(record)):
        return
    raise ExportError(
        f"The plan of {model.name} was built by {machine_of(record).words}, this machine has {here.words}: "
        "add the character on a machine like that one, or export the model here again (--engine tensorrt)"
    )


def report_foreign_plans(repository: Path, here: str, say: Callable[[str], None]) -> int:
    """How many plans in `repository` are not for the GPU `here`; each is told in one line."""
    count = 0
    for path in sorted(repository.glob(f"*/{PLAN_RECORD_FILE}")):
        record = read_record(path.parent)
        if record is None or record["builder"] != "tensorrt" or record["gpu"] == here:
            continue
        count += 1
        say(
            f"{path.parent.name}: its plan is for the GPU {record['gpu']}, this machine has "
            f"{here if here != NO_GPU else 'no GPU'}; export it here again (imgen export … --engine tensorrt)"
        )
    return count


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m export.engines.machine", description=__doc__)
    parser.add_argument("repository", type=Path, nargs="+")
    given = parser.parse_args(arguments)
    here = gpu()
    try:
        wrong = sum(
            report_foreign_plans(folder, here, lambda line: print(printable(line), file=sys.stderr))
            for folder in given.repository
        )
    except ExportError as error:
        print_error(error)
        return 2
    return 2 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
