"""Which networks of the repositories Triton is to load: those that it can, and that fit into memory."""

import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from contract.memory import gib, memory_limit, memory_of, refusals
from contract.names import split_network_name
from contract.repositories import CONFIG_FILE, BadRepositories, base_models, find_network
from embedded.part import PartError, python_of

log = logging.getLogger(__name__)


def choose_models(folders: Sequence[Path], backends: Path, environ: Mapping[str, str]) -> list[str]:
    """Names of the networks that can be loaded, and fit. Raises PartError for repositories that are not
    usable."""
    memory = memory_limit(environ)
    try:
        found = base_models(folders)
    except BadRepositories as error:
        raise PartError(f"triton: {error}") from None
    lacking = {name: fault for name in found.names if (fault := _missing_backend(folders, name, backends))}
    faults = dict(found.faults)
    for name, fault in lacking.items():
        network = split_network_name(name)
        faults.setdefault(network.model if network else name, fault)
    whole = {network.model for name in found.names if (network := split_network_name(name))} - set(faults)
    too_large = _too_large(folders, sorted(whole), memory, environ)
    for model, fault in {**faults, **too_large}.items():
        log.warning("left out: model %s: %s", model, fault)
    for sizes in refusals(folders, sorted(whole - set(too_large)), memory, environ).values():
        if sizes:
            log.warning("orders are refused of %s: %s", ", ".join(sizes), next(iter(sizes.values())))
    return [
        name
        for name in found.names
        if name not in lacking and not ((network := split_network_name(name)) and network.model in too_large)
    ]


def _too_large(
    folders: Sequence[Path], models: Sequence[str], limit: int, environ: Mapping[str, str]
) -> dict[str, str]:
    """Models that do not fit beside those before them, and why."""
    faults: dict[str, str] = {}
    loaded = 0
    for model in models:
        memory = memory_of(folders, model, environ)
        if memory is None:
            continue
        needed = loaded + max(memory.loading, memory.loaded + min(memory.pictures.values()))
        if needed > limit:
            beside = " with the other models" if loaded else ""
            faults[model] = (
                f"it and its smallest picture take about {gib(needed)} of memory{beside}; "
                f"there is {gib(limit)} (IMGEN_MEMORY_MB)"
            )
        else:
            loaded += memory.loaded
    return faults


def _missing_backend(folders: Sequence[Path], name: str, backends: Path) -> str:
    """What a network needs that is not installed here; "" where there is nothing."""
    folder = find_network(folders, name)
    text = (folder / CONFIG_FILE).read_text(errors="replace") if folder else ""
    wanted = re.search(r'^backend: "([^"]+)"', text, re.MULTILINE)
    if wanted and not (backends / wanted[1]).is_dir():
        return (
            f"{name} needs the backend {wanted[1]}, which this Triton lacks: name one that has it in "
            "IMGEN_TRITON_URLS, or export the model with --engine onnx"
        )
    if wanted and wanted[1] == "inductor" and not torch_site():
        return f"{name} needs torch: run `make install-export`"
    return ""


def torch_site() -> str | None:
    """Where torch is, for the backend inductor."""
    if "IMGEN_TORCH_SITE" in os.environ:
        return os.environ["IMGEN_TORCH_SITE"]
    found = sorted((Path(python_of("export")).parent.parent / "lib").glob("python3.*/site-packages"))
    return str(found[-1]) if found else None
