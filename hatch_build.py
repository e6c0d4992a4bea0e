"""What a built package has that the checkout has not: its git revision, and where Python finds its folders.

In site-packages all of imgen lies in one folder, `imgen/`, and `imgen.pth` puts that folder on Python's path;
docs/decisions/wheel.md says why.
"""

import runpy
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

REVISION = Path("frontend", "common", "revision.txt")
WHEEL_FOLDER = "imgen"


class Hook(BuildHookInterface[Any]):
    """Found by hatchling, see [tool.hatch.build.hooks.custom] in pyproject.toml."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":  # the checkout itself, which asks git
            return
        self._made = tempfile.TemporaryDirectory()
        if self.target_name == "wheel":
            self._add(f"{WHEEL_FOLDER}.pth", WHEEL_FOLDER, build_data)
        if not Path(self.root, REVISION).exists():  # as it does in an sdist
            revision = runpy.run_path(str(Path(self.root, "frontend", "common", "version.py")))["revision"]
            inside = Path(WHEEL_FOLDER, REVISION) if self.target_name == "wheel" else REVISION
            self._add(str(inside), revision(), build_data)

    def _add(self, inside: str, text: str, build_data: dict[str, Any]) -> None:
        source = Path(self._made.name, Path(inside).name)
        source.write_text(f"{text}\n")
        build_data["force_include"][str(source)] = inside

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version != "editable":
            self._made.cleanup()
