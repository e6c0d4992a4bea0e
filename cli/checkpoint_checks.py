"""Whether a checkpoint can be exported on this machine and drawn with: told before hours of work."""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.check_result import CheckResult, bad, doubtful, good
from cli.installation_checks import check_environment
from cli.machine_checks import nearest_folder
from contract.memory import (
    CPU_RUNTIME,
    ModelMemory,
    gib,
    memory_limit,
    memory_of,
    memory_of_graphs,
)
from contract.names import split_network_name
from contract.repositories import CONFIG_FILE
from contract.samplers import Sampler, Spacing
from embedded.part import python_of
from frontend.settings import ROOT, Settings

if TYPE_CHECKING:
    from export.forecast import Forecast

INSTALL = "run `make install-export` (it brings torch)"
MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True, kw_only=True)
class CheckpointOptions:
    checkpoint: Path
    vae: Path | None = None  # in place of its own
    like: Path | None = None  # whose configs a single file has
    text_encoders: Sequence[Path] = ()  # files of those that a single file lacks
    # In place of what the checkpoint says, as words of the command.
    prediction: str | None = None
    spacing: Spacing | None = None
    sampler: Sampler | None = None
    zero_snr: bool | None = None


def read_forecast(given: CheckpointOptions) -> "Forecast | CheckResult":
    """What it will take, or why it is refused."""
    # Here, because the exporter's package sets things up for the libraries that it loads.
    from export.checkpoints.schedule_choice import ScheduleOptions
    from export.checkpoints.scheduler import PREDICTION_WORDS
    from export.errors import ExportError, describe_error
    from export.forecast import forecast

    if not given.checkpoint.exists():
        return bad("checkpoint", f"there is no {given.checkpoint}")
    schedule = ScheduleOptions(
        prediction=PREDICTION_WORDS.get(given.prediction or ""),
        spacing=given.spacing,
        sampler=given.sampler,
        zero_snr=given.zero_snr,
    )
    try:
        return forecast(
            given.checkpoint,
            vae=given.vae,
            like=given.like,
            text_encoders=given.text_encoders,
            schedule=schedule,
        )
    except (ExportError, OSError) as error:
        return bad("checkpoint", describe_error(error))


def check_files(given: CheckpointOptions, read: "Forecast") -> Iterator[CheckResult]:
    layout = "a folder in diffusers' layout" if given.checkpoint.is_dir() else "one file"
    count = sum(read.values.values()) / 1e6
    yield good("checkpoint", f"{read.family.title}, {layout}, {count:,.0f} million weights")
    first, *more = read.choice.lines
    yield good("noise", first)
    for line in more:
        yield doubtful("noise", line)
    if read.is_restricted:
        yield doubtful("licence", f"{read.licence}; read whether its pictures may serve customers")
    else:
        yield good("licence", read.licence or "the checkpoint states none: see where it comes from")


def check_exporter() -> CheckResult:
    if not Path(python_of("export")).is_file():
        return bad("exporter", "not installed", INSTALL)
    return check_environment("exporter", ROOT / "requirements" / "export.txt", "export", INSTALL)


def check_export_memory(read: "Forecast") -> CheckResult:
    needed, limit, free = read.memory, memory_limit({}), available()
    told = f"the export takes about {gib(needed)}; there is {gib(limit)}, {gib(free)} of it free"
    if needed > limit:
        return bad("memory", told, "export on a machine with more, and copy the folders of its models")
    if needed > free:
        return doubtful("memory", told, "stop what else takes memory meanwhile, such as imgen (`imgen down`)")
    return good("memory", told)


def check_disk(read: "Forecast", output: Path) -> CheckResult:
    """`output`: the repository that will be written to."""
    place = nearest_folder(output)
    free = shutil.disk_usage(place).free
    told = (
        f"its networks, and what Triton compiles of them, take about {_size(read.disk)} in "
        f"{output.parent}; {_size(free)} are free"
    )
    if not os.access(place, os.W_OK):
        return bad("disk", f"cannot write to {place}", "name another folder in IMGEN_DATA_DIR")
    if free < read.disk:
        return bad("disk", told, "free some, or name another folder in IMGEN_DATA_DIR")
    return good("disk", told)


def check_drawing(
    read: "Forecast", settings: Settings, output: Path, name: str = ""
) -> Iterator[CheckResult]:
    """`name`: of the model that it becomes, of which there may be something already."""
    if settings.triton_urls:
        yield good("memory", "pictures are drawn elsewhere (IMGEN_TRITON_URLS)")
        return
    environ = {**os.environ, CPU_RUNTIME: settings.cpu_runtime}
    copies = len(read.family.texts)
    memory = memory_of_graphs(read.configs, read.downscale, read.stored, environ, copies)
    if memory is None:
        yield good("memory", "not estimated for a GPU")
        return
    limit = settings.memory_mb << 20 or memory_limit(os.environ)
    others = _loaded((settings.models_dir, output), name, environ)
    yield _memory_of_drawing(memory, others, limit)


def _memory_of_drawing(memory: ModelMemory, others: int, limit: int) -> CheckResult:
    """`others`: bytes of the models that are there."""
    most = others + memory.loaded + max(memory.pictures.values())
    beside = f" with the other models ({gib(others)})" if others else ""
    told = f"its largest picture takes about {gib(most)}{beside}; there is {gib(limit)}"
    if others + max(memory.loading, memory.loaded + min(memory.pictures.values())) > limit:
        return bad(
            "memory",
            f"{told}: not even its smallest picture fits",
            "add memory, remove other models (`imgen model list`), or draw with a GPU (IMGEN_TRITON_URLS)",
        )
    refused = [
        f"{width}x{height}"
        for (width, height), needed in memory.pictures.items()
        if others + memory.loaded + needed > limit
    ]
    if refused:
        return doubtful("memory", f"{told}; orders of {', '.join(refused)} will be refused")
    return good("memory", told)


def _loaded(folders: tuple[Path, ...], name: str, environ: dict[str, str]) -> int:
    """Bytes that the models there but `name` take while no picture is drawn, as far as it can be told."""
    models = {
        one.model
        for folder in folders
        for path in folder.glob(f"*/{CONFIG_FILE}")
        if (one := split_network_name(path.parent.name)) and one.model != name and not one.character
    }
    memories = (memory_of(folders, model, environ) for model in models)
    return sum(memory.loaded for memory in memories if memory)


def available() -> int:
    """Bytes that the kernel could give at once."""
    (line,) = (line for line in MEMINFO.read_text().splitlines() if line.startswith("MemAvailable:"))
    return int(line.split()[1]) << 10


def _size(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 10**9 else f"{size / 1e6:,.0f} MB"
