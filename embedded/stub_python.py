"""The Python inside Triton's stubs: the one that runs us, whatever else the machine has.

A stub loads libpython from LD_LIBRARY_PATH and takes its standard library from beside the first `python3` on
PATH, links followed. It heeds neither PYTHONHOME nor a virtual environment.
"""

import ctypes.util
import sys
import sysconfig
from pathlib import Path

from embedded.part import PartError

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
LIBRARY = f"libpython{VERSION}.so.1.0"


def link_python(folder: Path) -> Path:
    """`folder`, with our interpreter as its only `python3`: beside the real one may be none, or another."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    link = folder / "python3"
    link.unlink(missing_ok=True)
    link.symlink_to(Path(sys.base_exec_prefix) / "bin" / f"python{VERSION}")
    return folder


def library_folders(library: str = LIBRARY) -> list[str]:
    """Where our interpreter's library is; none where the system's loader finds it by itself.

    What the interpreter was built to say of it is wrong once it was moved, as those that uv installs are.
    Raises PartError where there is none, as of Pythons that were built without.
    """
    for folder in (f"{sys.base_exec_prefix}/lib", str(sysconfig.get_config_var("LIBDIR"))):
        if Path(folder, library).is_file():
            return [folder]
    if ctypes.util.find_library(library.removeprefix("lib").partition(".so")[0]):
        return []
    raise PartError(
        f"triton: {sys.base_exec_prefix} has no {library}: make .venv with a Python {VERSION} that has one "
        f"(of Debian: install libpython{VERSION}; of pyenv: built with --enable-shared; uv's have it)"
    )
