"""One checkpoint for everybody: published shapes of SD 1.5 or SDXL, seeded random weights, two LoRAs.

In the environment of the exporter: python -m perf.peers.checkpoint FOLDER [--family sd15] [--tiny]
writes FOLDER/checkpoint (diffusers' layout), FOLDER/loras/NAME.safetensors (kohya's keys), FOLDER/repository.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from export.model import ExportOptions, export_checkpoint
from perf.full_size import FAMILIES, shrink, write_checkpoint, write_lora

CHARACTERS = {"aya": 1, "bella": 2}  # with the seeds of their LoRAs
RANK = 32
TOKENS = 77  # of CLIP's window
# What full_size does not write, since our exporter does not ask for it, and diffusers does.
REST: dict[str, Any] = {
    "scheduler": ["diffusers", "EulerDiscreteScheduler"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
}
OF_FAMILY: dict[str, dict[str, Any]] = {
    "sd15": {
        "safety_checker": [None, None],
        "feature_extractor": [None, None],
        "requires_safety_checker": False,
    },
    "sdxl": {"tokenizer_2": ["transformers", "CLIPTokenizer"], "force_zeros_for_empty_prompt": False},
}


def write(folder: Path, name: str, *, tiny: bool) -> None:
    """Nothing is written twice: what an earlier run left is whole."""
    family = shrink(FAMILIES[name]) if tiny else FAMILIES[name]
    if not (folder / "checkpoint").is_dir():
        written = folder / "checkpoint.tmp"
        shutil.rmtree(written, ignore_errors=True)
        written.mkdir(parents=True)
        write_checkpoint(family, written)
        _add(written / "model_index.json", REST | OF_FAMILY[name])
        for tokenizer in written.glob("tokenizer*/tokenizer_config.json"):
            _add(tokenizer, {"model_max_length": TOKENS})
        written.rename(folder / "checkpoint")
    (folder / "loras").mkdir(exist_ok=True)
    for character, seed in CHARACTERS.items():
        if not (path := folder / "loras" / f"{character}.safetensors").exists():
            write_lora(family, path.with_suffix(".tmp"), RANK, seed=seed)
            path.with_suffix(".tmp").rename(path)
    if not (folder / "repository" / "eros-decoder").is_dir():
        export_checkpoint(folder / "checkpoint", "eros", folder / "repository", ExportOptions())


def _add(path: Path, entries: dict[str, Any]) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--family", choices=FAMILIES, default="sd15")
    parser.add_argument("--tiny", action="store_true")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    write(given.folder, given.family, tiny=given.tiny)


if __name__ == "__main__":
    main()
