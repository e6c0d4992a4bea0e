"""`imgen completion`: what a shell needs to complete `imgen` commands."""

import argparse
from pathlib import Path
from typing import Any

from cli.help import Commands, command

SHELLS = ("bash", "zsh", "fish")


def add(commands: Commands) -> None:
    examples = (
        "  echo 'eval \"$(imgen completion bash)\"' >> ~/.bashrc\n"
        "  echo 'eval \"$(imgen completion zsh)\"' >> ~/.zshrc\n"
        "  imgen completion fish > ~/.config/fish/completions/imgen.fish"
    )
    parser = command(
        commands, "completion", "Print what completes imgen's commands in a shell", examples, run
    )
    parser.add_argument("shell", choices=SHELLS, help="yours")


def run(arguments: argparse.Namespace) -> int:
    from argcomplete.shell_integration import shellcode

    print(shellcode(["imgen"], shell=arguments.shell))
    return 0


def answer_shell(parser: argparse.ArgumentParser) -> None:
    """Ends the process: it was started by a shell that wants to know what may follow."""
    from argcomplete.finders import CompletionFinder

    CompletionFinder()(parser, default_completer=_complete)  # type: ignore[arg-type]


def _complete(prefix: str, action: argparse.Action, **_: Any) -> list[str]:
    """What may be a value of `action`, apart from its choices."""
    from argcomplete.completers import FilesCompleter

    if action.type is Path:
        return list(FilesCompleter()(prefix))
    if action.dest in ("model", "style", "size"):
        return _known(action.dest)
    return []


def _known(kind: str) -> list[str]:
    """Of the catalogue on this machine; none where it cannot be read."""
    from contract.sizes import SIZES
    from frontend.catalogue.catalogue import load
    from frontend.common.errors import CatalogueError, SettingError
    from frontend.settings import catalogue_folders
    from frontend.settings import load as load_settings

    if kind == "size":
        return [f"{width}x{height}" for width, height in SIZES]
    try:
        models = load(*catalogue_folders(load_settings())).models
    except (CatalogueError, SettingError):
        return []
    return (
        list(models)
        if kind == "model"
        else sorted({style for each in models.values() for style in each.styles})
    )
