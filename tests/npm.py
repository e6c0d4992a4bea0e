"""Packages of npm that tests run, installed from a lock once."""

import fcntl
import subprocess
from pathlib import Path

from tests.programs import needs

TYPESCRIPT = Path(__file__).with_name("typescript")


def installed(folder: Path = TYPESCRIPT) -> Path:
    """The folder's `node_modules`, as its lock says."""
    npm, lock, modules = needs("npm"), folder / "package-lock.json", folder / "node_modules"
    stamp = modules / ".installed"
    with (folder / "package.json").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # of other runs in this checkout
        if not stamp.exists() or stamp.read_bytes() != lock.read_bytes():
            subprocess.run([npm, "ci", "--silent"], cwd=folder, check=True, timeout=500)
            stamp.write_bytes(lock.read_bytes())
    return modules
