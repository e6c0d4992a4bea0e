"""Marks every test by what it uses, and fails one that starts a server which its marks do not tell of.

Fixtures and folders say it; a test that starts a server in its own body carries the mark by hand.
"""

import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parent
FIXTURES = {
    "redis": {"redis_url", "standing_server"},
    "triton": {"triton", "demo_triton", "banked_triton"},
    "s3": {"moto", "rclone_by_path", "rclone_by_host"},
    "system": {"system"},
}
# What the command line of a server begins with, after an interpreter's `-m`.
PROGRAMS = {
    "redis": ("redis-server", "valkey-server"),
    "triton": ("tritonserver",),
    "s3": ("rclone", "moto.server"),
    "system": ("acs", "llm", "cli.main up", "cli.main serve"),
}
LAST = TESTS / "test_logs.py"  # tells what the whole run has logged
SYSTEM_FOLDERS = (TESTS / "system",)
SLOW_FOLDERS = tuple(TESTS / name for name in ("export", "demo", "perf/gpu"))
_running: frozenset[str] | None = None  # the marks of the test that runs


@pytest.hookimpl(tryfirst=True)  # before the command line's -m selects by marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for name in marks_of(item):
            item.add_marker(name)
    items.sort(key=lambda item: item.path == LAST)  # a stable sort: the others stay as they are


def marks_of(item: pytest.Item) -> set[str]:
    used = set(getattr(item, "fixturenames", ()))
    if callspec := getattr(item, "callspec", None):  # a storage's stand names its server: "moto path"
        used |= set(str(callspec.params.get("s3_place", "")).split())
    marks = {name for name, fixtures in FIXTURES.items() if used & fixtures}
    marks |= {mark.name for mark in item.iter_markers()} & FIXTURES.keys()
    if _lies_in(item, SYSTEM_FOLDERS):
        marks.add("system")
    slow = {"slow"} if marks & {"triton", "system"} or _lies_in(item, SLOW_FOLDERS) else set()
    return (marks or {"unit"}) | slow


def _lies_in(item: pytest.Item, folders: Sequence[Path]) -> bool:
    return any(item.path.is_relative_to(folder) for folder in folders)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    global _running
    _running = frozenset(mark.name for mark in item.iter_markers())
    try:
        return (yield)
    finally:
        _running = None


def server_of(command: Sequence[str]) -> str | None:
    """The mark of the server that this command line starts."""
    module = command[command.index("-m") + 1 :] if "-m" in command else None
    said = " ".join(module or [Path(command[0]).name])
    for name, programs in PROGRAMS.items():
        if any(f"{said} ".startswith(f"{program} ") for program in programs):
            return name
    return None


def _watch(event: str, values: tuple[Any, ...]) -> None:
    if event != "subprocess.Popen" or _running is None:
        return
    command = [str(word) for word in values[1]]
    server = server_of(command)
    if server and not _running & {server, "system"}:
        raise RuntimeError(f"a test that is not marked {server} starts {' '.join(command[:4])}")


sys.addaudithook(_watch)
