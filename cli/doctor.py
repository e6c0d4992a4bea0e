"""`imgen doctor`: what would not work on this machine, as it is installed, set and run; and what to do."""

import argparse
from collections.abc import Callable, Iterable

from cli.check_result import CheckResult, Soundness
from cli.help import Commands, command

SIGNS = {Soundness.GOOD: ("✓", "green"), Soundness.DOUBTFUL: ("!", "yellow"), Soundness.BAD: ("✗", "red")}


def add(commands: Commands) -> None:
    text = "Check this machine, what is installed, the settings and what runs, and say what to do"
    command(commands, "doctor", text, "  imgen doctor\n  IMGEN_DATA_DIR=/srv/imgen imgen doctor", run)


def run(arguments: argparse.Namespace) -> int:
    """1 where something would not work."""
    from cli.installation_checks import check_installation
    from cli.machine_checks import check_machine
    from cli.system_checks import check_system

    sections: tuple[tuple[str, Callable[[], Iterable[CheckResult]]], ...] = (
        ("This machine", check_machine),
        ("What is installed", check_installation),
        ("What is set and runs", check_system),
    )
    found = []
    for title, check in sections:
        found += _show(title, check())
    bad = sum(each.state is Soundness.BAD for each in found)
    doubtful = sum(each.state is Soundness.DOUBTFUL for each in found)
    print(f"\n{bad} to mend, {doubtful} to look at" if bad or doubtful else "\nAll is well.")
    return 1 if bad else 0


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
