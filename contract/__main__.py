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
        models = base_models(given.folder)
    except BadRepositories as error:
        print(f"contract: {error}", file=sys.stderr)
        return 2
    for name, fault in models.faults.items():
        print(f"contract: model {name} is left out: {fault}", file=sys.stderr)
    print("".join(f"{name}\n" for name in models.names), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
