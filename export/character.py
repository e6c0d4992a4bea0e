"""A character's networks: the model's own with one LoRA merged in. Needs numpy, onnx and safetensors only.

A LoRA that changes the text encoder too gives the character a text encoder of its own, and only then.

python -m export.character LORA --name aya --model eros --repository REPOSITORY
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from export.beside import publish, staging
from export.config import check_name, renamed
from export.errors import ExportError
from export.lora import ADAPTER_FILE, Layer, read_lora
from export.machine import RECORD_FILE as PLAN_RECORD
from export.merge import merge
from export.package import RECORD_FILE as PACKAGE_RECORD
from export.package import add_character_package
from export.plan import TIMING_CACHE, add_character_plan, check_character_plan
from export.storage import (
    MODEL_FILE,
    WEIGHTS_FILE,
    Weights,
    copy_model,
    engine_digest,
    write_hashes,
)
from export.strength import Strength, strength_of_options
from export.targets import TEXT_ENCODERS, UNET, Root

CONFIG_FILE = "config.pbtxt"
REPORT_FILE = "merge.json"
REPORTS = ".reports"  # in the repository; Triton loads nothing of it
PARITY_TIMEOUT_S = 3600.0
Check = Callable[[Path], None]


@dataclass(frozen=True)
class MergeReport:
    folder: Path
    layers: int  # of the LoRA
    written: bool  # False: the folder was already made of these files


def merge_character(
    base_model_dir: Path,
    lora: Path,
    target_dir: Path,
    strength: Strength = Strength(),  # noqa: B008, frozen
    check: Check | None = None,
) -> MergeReport:
    """Writes `target_dir` (graph, config.pbtxt, weights.json, merge.json) from a denoiser and a LoRA, and a
    text encoder beside it if the LoRA has layers for one.

    Does nothing if it is already made of exactly these. `check` is given the folder that holds the new
    networks before they are published. Raises ExportError, with nothing published or changed.
    """
    origin = _origin(base_model_dir, lora, strength)
    made = _made(target_dir)
    if made.get("origin") == origin:
        return MergeReport(target_dir, made["layers"], written=False)
    check_character_plan(base_model_dir)
    layers = read_lora(lora)
    of_text = [layer for layer in layers if _is_of_text(layer)]
    of_unet = [layer for layer in layers if not _is_of_text(layer)]
    encoder = text_encoder_of(target_dir)
    with staging(target_dir.parent, target_dir.name) as folder:
        new, new_encoder = folder / target_dir.name, folder / encoder.name
        changed = _write(base_model_dir, new, of_unet, strength, (UNET,))
        if of_text:
            of_encoder = text_encoder_of(base_model_dir)
            changed += _write(of_encoder, new_encoder, of_text, strength, TEXT_ENCODERS)
        strength.check(changed)
        write_hashes(new, base=engine_digest(base_model_dir), lora=origin["lora"][0])
        report = {"origin": origin, "layers": len(changed), "text_encoder": bool(of_text)}
        (new / REPORT_FILE).write_text(json.dumps(report, indent=2) + "\n")
        if check:
            check(folder)
        # The denoiser last: it is what makes the character one, and its report is what says that all is done.
        if of_text:
            publish(new_encoder, encoder)
        elif encoder.exists():
            encoder.rename(folder / "unneeded")
        publish(new, target_dir)
    return MergeReport(target_dir, len(changed), written=True)


def _is_of_text(layer: Layer) -> bool:
    return any(root.names(layer.name) for root in TEXT_ENCODERS)


def text_encoder_of(denoiser: Path) -> Path:
    """eros-denoiser--aya → eros-text-encoder--aya, in the same repository."""
    if "-denoiser" not in denoiser.name:
        raise ExportError(f"{denoiser} is no denoiser's folder: its name must be MODEL-denoiser")
    return denoiser.with_name(denoiser.name.replace("-denoiser", "-text-encoder"))


def _write(
    base: Path, new: Path, layers: list[Layer], strength: Strength, roots: Sequence[Root]
) -> list[str]:
    """One network with its part of the LoRA; returns the paths of the weights that changed."""
    if not (base / "1" / MODEL_FILE).is_file():
        raise ExportError(f"There is no {base / '1' / MODEL_FILE}")
    model = copy_model(base / "1", new / "1")
    changed = merge(model, layers, strength, Weights(new / "1"), roots)
    onnx.save_model(model, os.fspath(new / "1" / MODEL_FILE))
    (new / CONFIG_FILE).write_text(renamed((base / CONFIG_FILE).read_text(), new.name))
    add_character_plan(new, base, changed, base.parent / TIMING_CACHE)
    add_character_package(new, base, changed)
    return changed


def _origin(base: Path, lora: Path, strength: Strength) -> dict[str, Any]:
    """What decides a merge's outcome: SHA-256 of the files that are read, and the strength."""
    return {
        "format": 4,
        "base": _digest(
            base / "1" / MODEL_FILE,
            base / "1" / WEIGHTS_FILE,
            base / CONFIG_FILE,
            base / PLAN_RECORD,
            base / PACKAGE_RECORD,
            text_encoder_of(base) / "1" / MODEL_FILE,
        ),
        "lora": _digest(lora, lora.parent / ADAPTER_FILE),
        "strength": strength.whole,
        "blocks": dict(strength.blocks),
    }


def _digest(required: Path, *more: Path) -> list[str]:
    """Of each file that there is."""
    if not required.is_file():
        raise ExportError(f"There is no {required}")
    digests = []
    for path in (required, *(path for path in more if path.is_file())):
        with path.open("rb") as file:
            digests.append(hashlib.file_digest(file, "sha256").hexdigest())
    return digests


def _made(target: Path) -> dict[str, Any]:
    """What an earlier merge wrote of itself; empty if there was none that can be used."""
    try:
        made = json.loads((target / REPORT_FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    whole = isinstance(made, dict) and (target / "1" / MODEL_FILE).is_file()
    if whole and made.get("text_encoder"):
        whole = (text_encoder_of(target) / "1" / MODEL_FILE).is_file()
    return made if whole and isinstance(made.get("layers"), int) else {}


def _parity(given: argparse.Namespace, target: Path) -> Check:
    """Compares with torch, which is not in this interpreter, in another one."""

    def check(folder: Path) -> None:
        command = [
            *(given.torch, "-P", "-m", "export.character_parity", str(given.lora), "--model", given.model),
            *("--base", str(given.repository), "--merged", str(folder), f"--strength={given.strength}"),
            *("--report", str(target.parent / REPORTS / target.name)),
            *(f"--block={block}" for block in given.block),
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PARITY_TIMEOUT_S, check=False, env=_environment()
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
            raise ExportError(f"{given.name} {last.removeprefix('export: ')}")

    return check


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}


def main(arguments: Sequence[str] | None = None) -> int:
    options = argparse.ArgumentParser(
        prog="python -m export.character", description="Merge a LoRA into a denoiser"
    )
    options.add_argument("lora", type=Path, help=".safetensors file with kohya's, diffusers' or PEFT's keys")
    options.add_argument("--name", required=True, help="the character's name, such as aya")
    options.add_argument("--model", required=True, help="the model's name, such as eros")
    options.add_argument("--repository", required=True, type=Path, help="where {model}-denoiser is")
    options.add_argument("--output", type=Path, help="repository to write into (default: the same)")
    options.add_argument("--strength", type=float, default=1.0)
    options.add_argument(
        "--block", action="append", default=[], help="PATH=FACTOR, such as unet.up_blocks.1=0.5; repeatable"
    )
    options.add_argument(
        "--torch", help="interpreter that has torch: nothing is published that it draws differently"
    )
    given = options.parse_args(arguments)
    try:
        base = f"{check_name(given.model)}-denoiser"
        target = (given.output or given.repository) / f"{base}--{check_name(given.name)}"
        strength = strength_of_options(given.strength, given.block)
        check = _parity(given, target) if given.torch else None
        report = merge_character(given.repository / base, given.lora, target, strength, check)
    except ExportError as error:
        print(f"export: {error}", file=sys.stderr)
        return 2
    print(f"{report.folder}: {report.layers} layers, {'merged' if report.written else 'already there'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
