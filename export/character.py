"""A character's denoiser: the model's own with one LoRA merged in. Needs numpy, onnx and safetensors only.

python -m export.character LORA --name aya --model eros --repository REPOSITORY
"""

import argparse
import hashlib
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.beside import publish, staging
from export.config import check_name, renamed
from export.errors import ExportError
from export.lora import ADAPTER_FILE, read_lora
from export.merge import merge
from export.storage import (
    MODEL_FILE,
    WEIGHTS_FILE,
    engine_digest,
    load_model,
    save_model,
    write_hashes,
)

CONFIG_FILE = "config.pbtxt"
REPORT_FILE = "merge.json"
MAX_STRENGTH = 10.0


@dataclass(frozen=True)
class MergeReport:
    folder: Path
    layers: int  # of the denoiser that the LoRA changes
    written: bool  # False: the folder was already made of these files


def merge_character(base_model_dir: Path, lora: Path, target_dir: Path, strength: float = 1.0) -> MergeReport:
    """Writes `target_dir` (graph, config.pbtxt, weights.json, merge.json) from a denoiser and a LoRA file.

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
    model = load_model(base_model_dir / "1" / MODEL_FILE)
    merged = merge(model, layers, strength)
    config = renamed((base_model_dir / CONFIG_FILE).read_text(), target_dir.name)
    with staging(target_dir.parent, target_dir.name) as folder:
        new = folder / target_dir.name
        save_model(model, new / "1")
        (new / CONFIG_FILE).write_text(config)
        base, lora_file = engine_digest(base_model_dir), origin["lora"][0]
        write_hashes(new, base=base, lora=lora_file)
        (new / REPORT_FILE).write_text(json.dumps({"origin": origin, "layers": merged}, indent=2) + "\n")
        publish(new, target_dir)
    return MergeReport(target_dir, merged, written=True)


def _origin(base: Path, lora: Path, strength: float) -> dict[str, Any]:
    """What decides a merge's outcome: SHA-256 of the files that are read, and the strength."""
    return {
        "format": 2,
        "base": _digest(base / "1" / MODEL_FILE, base / "1" / WEIGHTS_FILE, base / CONFIG_FILE),
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
        return 1
    print(f"{report.folder}: {report.layers} layers, {'merged' if report.written else 'already there'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
