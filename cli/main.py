"""The command line: `imgen COMMAND`. One file per command."""

import argparse
import os
import sys

from cli import (
    audit,
    cache,
    catalogue,
    character,
    completion,
    doctor,
    down,
    erase,
    export,
    export_encoder,
    generate,
    keys,
    model,
    serve,
    takedown,
    up,
    usage,
    verify,
    webhooks,
)
from cli import open as open_page
from cli.errors import UserError, print_error
from cli.help import CommandParser
from cli.order import move_prompt_last
from embedded.characters.errors import CharacterError
from embedded.models.errors import ModelError
from embedded.part import PartError
from frontend.common.errors import CatalogueError, SettingError
from frontend.common.printable import print_traceback
from frontend.common.version import version_and_revision

COMMANDS = (
    *(up, down, open_page, serve, keys, usage, generate, verify, takedown, webhooks, cache, audit, erase),
    *(catalogue, model, character, export, export_encoder, doctor, completion),
)


class _Version(argparse.Action):
    """Looked up when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"imgen {version_and_revision()}")
        parser.exit()


def main(arguments: list[str] | None = None) -> int:
    sys.excepthook = print_traceback
    parser = CommandParser(
        prog="imgen",
        description="Image-generation API server. Start here: imgen up",
        epilog="Settings come from IMGEN_… variables or a TOML file (IMGEN_CONFIG); see README.md.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and end")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    if "_ARGCOMPLETE" in os.environ:
        completion.answer_shell(parser)
    chosen = parser.parse_args(move_prompt_last(sys.argv[1:] if arguments is None else arguments))
    try:
        code = int(chosen.run(chosen))
        sys.stdout.flush()
        return code
    except (UserError, SettingError, CatalogueError, CharacterError, ModelError, PartError) as error:
        print_error(error)
        return 2
    except BrokenPipeError:  # who reads our output has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
