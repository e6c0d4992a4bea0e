"""`imgen doctor`: what would not work on this machine, as it is installed, set and run; and what to do.

Of a checkpoint: whether it can be exported here and drawn with.
"""

import argparse
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from cli.check_result import CheckResult, Soundness
from cli.help import Commands, command

SIGNS = {Soundness.GOOD: ("✓", "green"), Soundness.DOUBTFUL: ("!", "yellow"), Soundness.BAD: ("✗", "red")}


Section = tuple[str, Callable[[], Iterable[CheckResult]]]


def add(commands: Commands) -> None:
    text = "Check this machine, what is installed, the settings and what runs, and say what to do"
    examples = (
        "  imgen doctor\n  IMGEN_DATA_DIR=/srv/imgen imgen doctor\n"
        "  imgen doctor /models/my-sdxl.safetensors     before `imgen model add`"
    )
    parser = command(commands, "doctor", text, examples, run)
    parser.add_argument(
        "checkpoint",
        type=Path,
        nargs="?",
        help="whether this one can be exported here and drawn with, by its headers alone",
    )
    parser.add_argument("--vae", type=Path, help="file or folder of a VAE in place of the checkpoint's own")
    parser.add_argument("--like", type=Path, help="folder whose configs a single file has")
    parser.add_argument(
        "--text-encoder", type=Path, action="append", help="file of one that a single file lacks; repeatable"
    )


def run(arguments: argparse.Namespace) -> int:
    """1 where something would not work."""
    found = []
    for title, check in _of_checkpoint(arguments) if arguments.checkpoint else _of_machine():
        found += _show(title, check())
    bad = sum(each.state is Soundness.BAD for each in found)
    doubtful = sum(each.state is Soundness.DOUBTFUL for each in found)
    print(f"\n{bad} to mend, {doubtful} to look at" if bad or doubtful else "\nAll is well.")
    return 1 if bad else 0


def _of_machine() -> Iterator[Section]:
    from cli.installation_checks import check_installation
    from cli.machine_checks import check_machine
    from cli.system_checks import check_system

    yield "This machine", check_machine
    yield "What is installed", check_installation
    yield "What is set and runs", check_system


def _of_checkpoint(arguments: argparse.Namespace) -> Iterator[Section]:
    from cli.checkpoint_checks import (
        CheckpointOptions,
        check_disk,
        check_drawing,
        check_export_memory,
        check_exporter,
        check_files,
        read_forecast,
    )
    from frontend.settings import load

    given = CheckpointOptions(
        checkpoint=arguments.checkpoint,
        vae=arguments.vae,
        like=arguments.like,
        text_encoders=arguments.text_encoder or (),
    )
    settings, read = load(), read_forecast(given)
    if isinstance(read, CheckResult):
        yield "The checkpoint", lambda: [read]
        return
    output = settings.data_dir / "models"
    yield "The checkpoint", lambda: check_files(given, read)
    yield "To export it", lambda: [check_exporter(), check_export_memory(read), check_disk(read, output)]
    yield "To draw with it", lambda: check_drawing(read, settings, output)


def _show(title: str, findings: Iterable[CheckResult]) -> list[CheckResult]:
    from rich.text import Text

    from cli.console import console

    out, shown = console(), []
    out.print(Text(f"\n{title}", "bold"))
    for each in findings:
        sign, colour = SIGNS[each.state]
        out.print(Text.assemble("  ", (sign, colour), f" {each.what}: {each.told}"), soft_wrap=True)
        if each.remedy:
            out.print(Text(f"    → {each.remedy}"), soft_wrap=True)
        shown.append(each)
    return shown
