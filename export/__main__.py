"""python -m export CHECKPOINT_FOLDER --name eros --output REPOSITORY [--storage fp16|fp32]"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from export.errors import ExportError
from export.repository import export_checkpoint


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
    given = options.parse_args(arguments)
    try:
        folders = export_checkpoint(given.checkpoint, given.name, given.output, given.storage)
    except ExportError as error:
        print(f"export: {error}", file=sys.stderr)
        return 1
    print("\n".join(str(folder) for folder in folders))
    return 0


if __name__ == "__main__":
    sys.exit(main())
