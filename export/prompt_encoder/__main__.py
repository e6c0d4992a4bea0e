"""python -m export.prompt_encoder FOLDER --name prompt-encoder --output REPOSITORY"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from export.errors import ExportError, print_error
from export.prompt_encoder.export import export_encoder


def main(arguments: Sequence[str] | None = None) -> int:
    options = argparse.ArgumentParser(
        prog="python -m export.prompt_encoder", description="Sentence encoder → Triton model"
    )
    options.add_argument("folder", type=Path, help="a BERT in sentence-transformers' layout")
    options.add_argument("--name", required=True, help="the Triton model's name, such as prompt-encoder")
    options.add_argument("--output", required=True, type=Path, help="model repository to write into")
    given = options.parse_args(arguments)
    try:
        print(export_encoder(given.folder, given.name, given.output))
    except (ExportError, OSError) as error:
        print_error(error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
