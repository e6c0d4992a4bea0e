"""contract/ is imported by every process, Triton's models among them, whose interpreter has numpy alone."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "contract"
TRITONS = (
    "description", "families", "limits", "names", "parts", "repositories", "schedules", "sizes", "__main__"
)  # fmt: skip
PERMITTED = {*sys.stdlib_module_names, "contract", "numpy", "msgspec"}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").partition(".")[0])
    return names


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_nothing_of_ours_and_no_library_but_two_is_imported(path: Path) -> None:
    assert imported(path) <= PERMITTED


@pytest.mark.parametrize("module", TRITONS)
def test_what_triton_imports_needs_numpy_alone(module: str) -> None:
    """In an interpreter without site-packages but for numpy's own folder."""
    code = (
        "import sys, importlib.abc\n"
        "class Refuse(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        top = name.partition('.')[0]\n"
        "        if top not in sys.stdlib_module_names and top not in ('numpy', 'contract'):\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        f"import contract.{module}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=FOLDER.parent, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
