"""Packages point one way. Run as a script, or with -s, it shows how frontend/ hangs together."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# From the top down: what stands in a line may import what stands in its own or below. frontend/ unless it is
# a folder of the repository.
ORDER = (
    "cli perf",
    "embedded",
    "serve app services drawing settings",
    "description",
    "routes",
    "openai",
    "actions http page",
    "events",
    "webhooks review verification cache",
    "jobs registry",
    "finishing inference prompts",
    "storage catalogue keys invisible_mark",
    "domain audit",
    "cells net",
    "common",
    "contract",
)
FLOOR = {room: number for number, line in enumerate(ORDER) for room in line.split()}
OUTSIDE = ("cli", "perf", "embedded", "contract")
Arrows = Mapping[tuple[str, str], list[str]]  # who imports whom: where, as file:line


def room_of(module: str) -> str | None:
    """`frontend.jobs.store` → jobs, `cli.main` → cli; None: not in the order."""
    first, *rest = module.split(".")
    return rest[0] if first == "frontend" and rest else first if first in OUTSIDE else None


def imports(path: Path, module: str) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            # `from frontend import settings` names the module last, `from frontend.settings import X` before.
            for alias in node.names:
                yield ".".join([*above, *filter(None, [node.module]), alias.name]), node.lineno


def arrows() -> Arrows:
    found: dict[tuple[str, str], list[str]] = {}
    for path in sorted(path for top in ("frontend", *OUTSIDE) for path in (ROOT / top).rglob("*.py")):
        where = path.relative_to(ROOT)
        module = ".".join(where.with_suffix("").parts)
        for name, line in imports(path, module):
            pair = room_of(module), room_of(name)
            if pair[0] and pair[1] and pair[0] != pair[1] and pair[0] != "__init__":
                found.setdefault((pair[0], pair[1]), []).append(f"{where}:{line}")
    return found


def below(found: Arrows, room: str) -> set[str]:
    """Every room that is reached from this one."""
    reached: set[str] = set()
    new = {room}
    while new := {to for start, to in found if start in new} - reached:
        reached |= new
    return reached


def floors(found: Arrows, rooms: set[str]) -> int:
    """How many stand above each other at most; the rooms of a circle share a floor."""
    reached = {room: below(found, room) for room in rooms}
    height = dict.fromkeys(rooms, 1)
    for room in sorted(rooms, key=lambda room: len(reached[room])):
        lower = [height[other] for other in reached[room] & rooms if room not in reached[other]]
        height[room] = 1 + max(lower, default=0)
    return max(height.values())


def mistakes(found: Arrows) -> list[str]:
    unknown = {room for pair in found for room in pair} - FLOOR.keys()
    assert not unknown, f"not in ORDER: {', '.join(sorted(unknown))}"
    wrong = []
    for (start, to), places in sorted(found.items()):
        if FLOOR[to] < FLOOR[start]:
            wrong.append(f"{start} imports {to}, which stands above it: {', '.join(places)}")
        elif (to, start) in found and FLOOR[to] == FLOOR[start] and start < to:
            wrong.append(f"{start} and {to} import each other: {', '.join(places + found[to, start])}")
    return wrong


def table(found: Arrows) -> str:
    inside = {pair: places for pair, places in found.items() if not {*pair} & {*OUTSIDE}}
    rooms = {room for pair in inside for room in pair}
    lines = [f"rooms {len(rooms)}, floors {floors(inside, rooms)}, arrows {len(inside)}"]
    for room in sorted(rooms, key=lambda room: (FLOOR.get(room, 0), room)):
        lines.append(f"{room:16} → {' '.join(sorted(to for start, to in inside if start == room))}")
    return "\n".join(lines)


def test_packages_point_one_way() -> None:
    found = arrows()
    print(f"\n{table(found)}")
    assert mistakes(found) == []


def test_import_upwards_and_circle_are_told() -> None:
    found = {("net", "jobs"): ["a.py:1"], ("net", "common"): ["b.py:1"]}
    assert mistakes(found) == ["net imports jobs, which stands above it: a.py:1"]
    both = {("finishing", "inference"): ["a.py:1"], ("inference", "finishing"): ["b.py:2"]}
    assert mistakes(both) == ["finishing and inference import each other: a.py:1, b.py:2"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from frontend.jobs.store import JobStore", {"jobs"}),
        ("from frontend import settings", {"settings"}),
        ("import frontend.net.networks", {"net"}),
        ("def late():\n    from .. import cache", {"cache"}),
        ("from embedded.part import start\nimport os", {"embedded"}),
    ],
)
def test_every_way_to_import_is_seen(tmp_path: Path, text: str, found: set[str]) -> None:
    (tmp_path / "x.py").write_text(text)
    rooms = {room_of(name) for name, _ in imports(tmp_path / "x.py", "frontend.keys.x")}
    assert rooms - {None} == found


if __name__ == "__main__":
    graph = arrows()
    print(table(graph), *mistakes(graph), sep="\n")
