"""python -m export CHECKPOINT_FOLDER --name eros --output REPOSITORY [--engine onnx|tensorrt] [...]"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from export.errors import ExportError
from export.parts import MAX_BATCH
from export.plan import SIZES, Wish
from export.repository import export_checkpoint


def _sizes(text: str | None) -> Sequence[tuple[int, int]]:
    """Raises ExportError."""
    if text is None:
        return SIZES
    found = [re.fullmatch(r"(\d{1,5})x(\d{1,5})", item.strip()) for item in text.lower().split(",")]
    if not all(found):
        raise ExportError(f"--sizes {text}: expected WIDTHxHEIGHT, with commas between them")
    return [(int(one[1]), int(one[2])) for one in found if one]


def main(arguments: Sequence[str] | None = None) -> int:
    options = argparse.ArgumentParser(
        prog="python -m export", description="Checkpoint → Triton model repository"
    )
    options.add_argument(
        "checkpoint", type=Path, help="SDXL folder in diffusers' layout, safetensors weights"
    )
    options.add_argument("--name", required=True, help="the model's name, such as eros")
    options.add_argument("--output", required=True, type=Path, help="model repository to write into")
    options.add_argument(
        "--storage",
        choices=("fp16", "fp32"),
        default="fp16",
        help="type of the weights on disk (default fp16)",
    )
    options.add_argument(
        "--engine", choices=("onnx", "tensorrt"), default="onnx", help="what Triton runs (default onnx)"
    )
    options.add_argument("--batch", type=int, default=MAX_BATCH, help="largest batch of a plan (default 8)")
    options.add_argument(
        "--sizes", help="sizes that plans are for, such as 1344x768,1024x1024 (default: all)"
    )
    given = options.parse_args(arguments)
    try:
        wish = Wish(sizes=_sizes(given.sizes), batch=given.batch)
        folders = export_checkpoint(
            given.checkpoint, given.name, given.output, given.storage, given.engine, wish
        )
    except ExportError as error:
        print(f"export: {error}", file=sys.stderr)
        return 2
    print("\n".join(str(folder) for folder in folders))
    return 0


if __name__ == "__main__":
    sys.exit(main())
