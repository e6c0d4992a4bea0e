"""A new character's denoiser at SDXL's size, as it is merged and as it was before: python -m perf.bench_merge

Each way is a process of its own, from start to end, by turns. The base has the published shapes and random
values; it and the LoRA are in the system's cache. Both ways must write the same bytes.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from contract.names import DENOISER, network_name
from perf.bench_export import EXPORT, MERGE, Took, measured, must, run
from perf.report import machine, median, publish, read_options, table

LORAS = {"layers": "all linear layers", "attention": "to_q, to_k, to_v, to_out"}
WAYS = {"before": "before", "first": "now, a base's first", "next": "now, the next"}
ONE_THREAD = ("env", "OPENBLAS_NUM_THREADS=1")  # of numpy in each of theirs, as export/__init__.py says it
MODEL, CHARACTER = "eros", "aya"
FOUND = ".found"  # of export.graphs.base_check, which needs what is not here
Measured = Mapping[str, Sequence[Took]]  # by way


def warm(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                while file.read(1 << 24):
                    pass


def merge(folder: Path, lora: str, *, known: bool) -> Took:
    """As `imgen character add` does where there is no torch. `known`: an earlier one has hashed the base."""
    repository = folder / "repository"
    shutil.rmtree(repository / network_name(MODEL, DENOISER, CHARACTER), ignore_errors=True)
    if not known:
        shutil.rmtree(repository / FOUND, ignore_errors=True)
    options = ("--name", CHARACTER, "--model", MODEL, "--repository", str(repository))
    return must(measured(MERGE, "-m", "export.character", str(folder / f"{lora}.safetensors"), *options))


def step(name: str, folder: Path, lora: str) -> Took:
    shutil.rmtree(folder / name, ignore_errors=True)
    return must(measured(*ONE_THREAD, MERGE, "-m", "perf.merge.steps", name, str(folder), lora))


def measure(folder: Path, lora: str, rounds: int, console: Console) -> Measured:
    found: dict[str, list[Took]] = {"floor": [], **{way: [] for way in WAYS}}
    for number in range(rounds):
        console.print(f"{LORAS[lora]}: round {number + 1} of {rounds}")
        for way, took in found.items():
            warm(folder)
            os.sync()  # what was written before is no load of this one
            if way in ("floor", "before"):
                took.append(step(way, folder, lora))
            else:
                took.append(merge(folder, lora, known=way == "next"))
        check_same(folder, found["before"][-1])
        for made in ("before", "floor"):
            shutil.rmtree(folder / made)
    return found


def check_same(folder: Path, before: Took) -> None:
    """Raises SystemExit where the two ways do not end in the same files."""
    hashes = folder / "repository" / network_name(MODEL, DENOISER, CHARACTER) / "weights.json"
    if json.loads(hashes.read_text())["engine"] != before.said["sha256"]:
        sys.exit("bench-merge: the merge and the one before wrote different weights")


def summarise(found: Measured) -> dict[str, Any]:
    floors = [took.said for took in found["floor"]]
    figures: dict[str, Any] = {"changed_gb": round(floors[0]["changed_gb"], 2)}
    for part in ("write", "blas"):
        figures[f"floor_{part}_seconds"] = median([floor[part] for floor in floors], 2)
    figures["floor_seconds"] = median([floor["write"] + floor["blas"] for floor in floors], 2)
    for way in WAYS:
        figures[f"{way}_seconds"] = median([one.seconds for one in found[way]], 1)
        figures[f"{way}_all_seconds"] = [round(one.seconds, 1) for one in found[way]]
        figures[f"{way}_cpu_seconds"] = median([one.cpu_seconds for one in found[way]], 1)
        figures[f"{way}_system_seconds"] = median([one.said["system"] for one in found[way]], 1)
        figures[f"{way}_peak_gb"] = median([one.peak_gb for one in found[way]], 2)
    for way in ("first", "next"):
        pairs = zip(found["before"], found[way], strict=True)
        figures[f"{way}_speedup"] = median([old.seconds / new.seconds for old, new in pairs], 2)
    return figures


def rows_of(lora: str, figures: Mapping[str, Any]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = [
        (
            f"{LORAS[lora]}: {title}",
            *(figures[f"{way}_{what}"] for what in ("seconds", "cpu_seconds", "system_seconds", "peak_gb")),
        )
        for way, title in WAYS.items()
    ]
    return [
        *rows,
        (f"{LORAS[lora]}: bytes written, factors multiplied", figures["floor_seconds"], "", "", ""),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="keep the base there, and use it next time; 6 GB")
    given = read_options(parser, {"rounds": 1}, arguments)
    console, where = Console(stderr=True), machine()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = given.folder or Path(name)
        base = folder / "repository" / network_name(MODEL, DENOISER)
        if not (base / "weights.json").is_file():
            console.print("writing a base of SDXL's shapes, and LoRAs")
            tiny = ("--tiny",) if given.smoke else ()
            must(run(EXPORT, "-m", "perf.merge.base", str(folder), "--rank", str(given.rank), *tiny))
        size = sum(path.stat().st_size for path in (base / "1").iterdir())
        figures: dict[str, Any] = {"rank": given.rank, "model_gb": round(size / 1e9, 2)}
        for lora in LORAS:
            figures[lora] = summarise(measure(folder, lora, given.rounds, console))
        shutil.rmtree(folder / "repository" / network_name(MODEL, DENOISER, CHARACTER))
    title = f"SDXL's denoiser, {figures['model_gb']} GB in fp16, a LoRA of rank {given.rank}"
    rows = [row for lora in LORAS for row in rows_of(lora, figures[lora])]
    table(title, ("merge", "seconds", "processor", "of it the system", "peak GB"), rows)
    publish("merge", figures, where, smoke=given.smoke)


if __name__ == "__main__":
    main()
