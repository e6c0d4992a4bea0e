"""A character's networks: the model's own with one LoRA merged in. Needs numpy, onnx and safetensors only.

A LoRA that changes the text encoder too gives the character a text encoder of its own, and only then.

python -m export.character LORA --name aya --model eros --repository REPOSITORY
"""

import argparse
import hashlib
import json
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from export.beside import publish, staging
from export.config import check_name, renamed
from export.errors import ExportError
from export.lora import ADAPTER_FILE, Layer, read_lora
from export.merge import merge
from export.plan import TIMING_CACHE, add_plan, recipe_beside
from export.storage import (
    MODEL_FILE,
    WEIGHTS_FILE,
    Weights,
    copy_model,
    engine_digest,
    write_hashes,
)
from export.targets import TEXT_ENCODERS, UNET, Root

CONFIG_FILE = "config.pbtxt"
REPORT_FILE = "merge.json"
MAX_STRENGTH = 10.0


@dataclass(frozen=True)
class MergeReport:
    folder: Path
    layers: int  # of the LoRA
    written: bool  # False: the folder was already made of these files


def merge_character(base_model_dir: Path, lora: Path, target_dir: Path, strength: float = 1.0) -> MergeReport:
    """Writes `target_dir` (graph, config.pbtxt, weights.json, merge.json) from a denoiser and a LoRA, and a
    text encoder beside it if the LoRA has layers for one.

    Does nothing if it is already made of exactly these. Raises ExportError, with nothing written or changed.
    """
    if not math.isfinite(strength) or not 0 < abs(strength) <= MAX_STRENGTH:
        raise ExportError(
            f"The strength {strength} must be between -{MAX_STRENGTH:g} and {MAX_STRENGTH:g}, not 0"
        )
    origin = _origin(base_model_dir, lora, strength)
    made = _made(target_dir)
    if made.get("origin") == origin:
        return MergeReport(target_dir, made["layers"], written=False)
    layers = read_lora(lora)
    of_text = [layer for layer in layers if _is_of_text(layer)]
    of_unet = [layer for layer in layers if not _is_of_text(layer)]
    encoder = text_encoder_of(target_dir)
    with staging(target_dir.parent, target_dir.name) as folder:
        new, new_encoder = folder / target_dir.name, folder / encoder.name
        merged = _write(base_model_dir, new, of_unet, strength, (UNET,))
        if of_text:
            merged += _write(text_encoder_of(base_model_dir), new_encoder, of_text, strength, TEXT_ENCODERS)
        write_hashes(new, base=engine_digest(base_model_dir), lora=origin["lora"][0])
        report = {"origin": origin, "layers": merged, "text_encoder": bool(of_text)}
        (new / REPORT_FILE).write_text(json.dumps(report, indent=2) + "\n")
        # The denoiser last: it is what makes the character one, and its report is what says that all is done.
        if of_text:
            publish(new_encoder, encoder)
        elif encoder.exists():
            encoder.rename(folder / "unneeded")
        publish(new, target_dir)
    return MergeReport(target_dir, merged, written=True)


def _is_of_text(layer: Layer) -> bool:
    return any(root.names(layer.name) for root in TEXT_ENCODERS)


def text_encoder_of(denoiser: Path) -> Path:
    """eros-denoiser--aya → eros-text-encoder--aya, in the same repository."""
    if "-denoiser" not in denoiser.name:
        raise ExportError(f"{denoiser} is no denoiser's folder: its name must be MODEL-denoiser")
    return denoiser.with_name(denoiser.name.replace("-denoiser", "-text-encoder"))


def _write(base: Path, new: Path, layers: list[Layer], strength: float, roots: Sequence[Root]) -> int:
    """One network with its part of the LoRA; returns how many of its weights changed."""
    if not (base / "1" / MODEL_FILE).is_file():
        raise ExportError(f"There is no {base / '1' / MODEL_FILE}")
    model = copy_model(base / "1", new / "1")
    changed = merge(model, layers, strength, Weights(new / "1"), roots)
    onnx.save_model(model, os.fspath(new / "1" / MODEL_FILE))
    (new / CONFIG_FILE).write_text(renamed((base / CONFIG_FILE).read_text(), new.name))
    if recipe := recipe_beside(base):
        add_plan(new, recipe, base.parent / TIMING_CACHE)
    return changed


def _origin(base: Path, lora: Path, strength: float) -> dict[str, Any]:
    """What decides a merge's outcome: SHA-256 of the files that are read, and the strength."""
    return {
        "format": 3,
        "base": _digest(
            base / "1" / MODEL_FILE,
            base / "1" / WEIGHTS_FILE,
            base / CONFIG_FILE,
            text_encoder_of(base) / "1" / MODEL_FILE,
        ),
        "lora": _digest(lora, lora.parent / ADAPTER_FILE),
        "strength": strength,
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
    given = options.parse_args(arguments)
    try:
        base = f"{check_name(given.model)}-denoiser"
        target = (given.output or given.repository) / f"{base}--{check_name(given.name)}"
        report = merge_character(given.repository / base, given.lora, target, given.strength)
    except ExportError as error:
        print(f"export: {error}", file=sys.stderr)
        return 2
    print(f"{report.folder}: {report.layers} layers, {'merged' if report.written else 'already there'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
