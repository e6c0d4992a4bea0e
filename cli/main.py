"""The command line: `imgen COMMAND`. One file per command."""

import argparse
import sys

from cli import character, down, export, generate, keys, serve, up, verify
from cli.errors import UserError
from embedded.part import PartError
from frontend.catalogue import CatalogueError
from frontend.settings import SettingError

COMMANDS = (up, down, serve, keys, generate, verify, character, export)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="imgen",
        description="Image-generation API server. Start here: imgen up",
        epilog="Settings come from IMGEN_… variables or a TOML file (IMGEN_CONFIG); see README.md.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    chosen = parser.parse_args(arguments)
    try:
        return int(chosen.run(chosen))
    except (UserError, SettingError, CatalogueError, PartError) as error:
        print(f"imgen: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
