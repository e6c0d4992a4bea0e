"""What `imgen export` ends with: how the new model draws its first picture."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from cli.instance import Instance
from cli.welcome import imgen_command
from contract.description import read_description
from contract.memory import CPU_RUNTIME, GPU, gib, memory_limit, memory_of, refusals
from contract.names import DENOISER, network_name
from contract.repositories import DESCRIPTION_FILE
from embedded.starter_entry import EntryOptions, adapters_of, write_starter_entry
from frontend.catalogue.catalogue import AdapterKind, load
from frontend.settings import Settings, catalogue_folders

PROMPT = "a lighthouse on a cliff at sunset"
CARRIED = ("IMGEN_CONFIG", "IMGEN_DATA_DIR", "IMGEN_CATALOGUE_DIR", "IMGEN_PORT")
"""Settings that the printed commands repeat: they may have been set for the export alone."""
LARGE_BYTES = 500 << 20
SLOW = {"IMGEN_JOB_DEADLINE_S": "3600", "IMGEN_TRITON_TIMEOUT_S": "3600"}
"""For a large network on a machine without a GPU: a picture takes minutes, and the defaults give up on it."""


def first_picture(settings: Settings, name: str, output: Path) -> str:
    """Writes a starter entry where the catalogue has none. The words; the last two lines are commands.

    Raises BadDescription, OSError and CatalogueError.
    """
    denoiser = output / network_name(name, DENOISER)
    entry = _write_entry(settings, name, denoiser)
    up = dict(_carried(settings, output)) | slow_settings(denoiser)
    imgen = imgen_command()
    start = f"{_environment(up)}{imgen} up --detach"
    if Instance(settings.data_dir).serving() is not None and Instance(settings.data_dir).holder() is not None:
        start = f"{_environment(_data_dir(up))}{imgen} down; {start}"  # Triton loads models when it starts
    draw = f"{draw_command(name, up)} -o {name}.png"
    facts = f"{entry}\n{told_memory(settings, name, output)}"
    return f"\n{facts}\n\nThe first picture, with these two commands:\n\n  {start}\n  {draw}"


def slow_settings(denoiser: Path) -> dict[str, str]:
    """What `imgen up` must be told for this denoiser's folder, so that it does not give up on a picture."""
    return SLOW if not GPU.exists() and _bytes_of(denoiser) > LARGE_BYTES else {}


def draw_command(name: str, values: Mapping[str, str] = os.environ) -> str:
    """What draws with the model, typed where one stands. `values`: of settings."""
    prompt = shlex.quote(PROMPT)
    return f"{_environment(_data_dir(values))}{imgen_command()} generate {prompt} --model {name}"


def _write_entry(settings: Settings, name: str, denoiser: Path) -> str:
    operators, added = catalogue_folders(settings)
    written = operators / "models" / f"{name}.yaml"
    kind = adapters_of(denoiser)
    if not written.exists():
        description = read_description(denoiser / DESCRIPTION_FILE)
        written = write_starter_entry(added, name, description, EntryOptions(adapters=kind))
    return told_entry(settings, name, written, kind)


def told_entry(settings: Settings, name: str, written: Path, kind: AdapterKind) -> str:
    """`kind`: how the export is drawn with LoRAs. Raises CatalogueError."""
    model = load(*catalogue_folders(settings)).models.get(name)
    facts = f"{model.steps} steps, guidance {model.guidance:g}; " if model else ""
    entry = f"catalogue entry: {written} ({facts}yours to edit)"
    if model and model.adapters != kind:
        entry += f"\nit says `adapters: {model.adapters}`, and this export is of the other kind: write {kind}"
    return entry


def told_memory(settings: Settings, name: str, output: Path) -> str:
    environ = {**os.environ, CPU_RUNTIME: settings.cpu_runtime}
    memory = memory_of([output], name, environ)
    if memory is None:
        return "memory: not estimated for this engine"
    limit = settings.memory_mb << 20 or memory_limit(os.environ)
    needed = memory.loaded + max(memory.pictures.values())
    words = f"memory: about {gib(needed)} for its largest picture; there is {gib(limit)}"
    if refused := refusals([output], [name], limit, environ)[name]:
        words += f"; orders of {', '.join(refused)} will be refused"
    return words


def _carried(settings: Settings, output: Path) -> dict[str, str]:
    values = {name: os.environ[name] for name in CARRIED if name in os.environ}
    for name in CARRIED[:3]:
        if name in values:
            values[name] = str(Path(values[name]).expanduser().resolve())
    if output.resolve() != (settings.data_dir / "models").resolve():
        values["IMGEN_MODELS_DIR"] = str(output.resolve())
    return values


def _data_dir(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if name in CARRIED[:2]}


def _environment(values: dict[str, str]) -> str:
    return "".join(f"{name}={shlex.quote(value)} " for name, value in values.items())


def _bytes_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
