"""One name means one thing in the whole repository, so that a search for it finds one class."""

import ast
from collections import defaultdict

from frontend.settings import ROOT

FOLDERS = [
    "contract",
    "frontend",
    "acs",
    "llm",
    "cli",
    "embedded",
    "export",
    "perf",
    "model_repository",
    "backends",
]
GIVEN = {"TritonPythonModel"}  # Triton looks for it in every model


def test_no_class_name_stands_twice() -> None:
    found = defaultdict(list)
    for path in (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and node.name not in GIVEN:
                found[node.name].append(str(path.relative_to(ROOT)))
    assert len(found) > 200
    assert {name: paths for name, paths in found.items() if len(paths) > 1} == {}
