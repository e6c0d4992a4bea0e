"""python -m contract base-models FOLDER...: for scripts, the models that Triton loads at start."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from contract.repositories import BadRepositories, base_models


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m contract", description="What shell scripts must know")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    lister = commands.add_parser("base-models", help="models that Triton loads at start: all but characters")
    lister.add_argument("folder", type=Path, nargs="+", help="model repository")
    given = parser.parse_args(arguments)
    try:
        names = base_models(given.folder)
    except BadRepositories as error:
        print(f"contract: {error}", file=sys.stderr)
        return 2
    print("".join(f"{name}\n" for name in names), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
