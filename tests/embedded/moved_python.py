"""This interpreter as uv installs one: in a folder of its own that it was not built for.

uv downloads its Pythons from a host that tests cannot rely on. Whatever this one was built to know of its
place is overwritten, so that nothing of it works by the folder that it was copied from.
"""

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

NAME = f"python3.{sys.version_info.minor}"
LEFT_OUT = ("test", "tests", "site-packages", "__pycache__", "config-*", "idlelib", "tkinter", "lib2to3")
PLACE = Path(sys.base_prefix)
NOWHERE = b"/install"
RUNPATH = b"$ORIGIN/../lib\0"
# A string within a program makes room for one that is no longer.
CAN_BE_MOVED = (
    bool(sysconfig.get_config_var("Py_ENABLE_SHARED"))
    and len(bytes(PLACE.parent)) >= len(NOWHERE)
    and len(bytes(PLACE / "lib")) >= len(RUNPATH)
)


def install(folder: Path) -> Path:
    """Below `folder`, under the name by which uv takes it for its own; its home."""
    system = f"linux-{platform.machine()}-gnu"
    home = folder / f"cpython-{platform.python_version()}-{system}"
    for part in ("bin", "lib"):
        (home / part).mkdir(parents=True)
    shutil.copytree(PLACE / "lib" / NAME, home / "lib" / NAME, ignore=shutil.ignore_patterns(*LEFT_OUT))
    (home / "lib" / NAME / "site-packages").mkdir()
    library = str(sysconfig.get_config_var("INSTSONAME"))
    _move(PLACE / "bin" / NAME, home / "bin" / NAME)
    _move(Path(str(sysconfig.get_config_var("LIBDIR")), library), home / "lib" / library)
    (home / "bin" / "python3").symlink_to(NAME)
    for said in (home / "lib" / NAME).glob("_sysconfigdata*.py"):
        said.write_text(said.read_text().replace(str(PLACE), NOWHERE.decode()))
    return home


def _move(program: Path, to: Path) -> None:
    """Keeps the last part of the place: linkers let other strings end in it."""
    parent, name = bytes(PLACE.parent), PLACE.name.encode()
    run = bytes(PLACE / "lib") + b"\0"
    data = program.read_bytes().replace(run, RUNPATH.ljust(len(run), b"\0"))
    data = data.replace(parent + b"/" + name, NOWHERE.ljust(len(parent), b"_") + b"/" + name)
    to.write_bytes(data)
    to.chmod(0o755)


def make_environment(folder: Path, pythons: Path) -> Path:
    """An environment that uv makes of the Python below `pythons`, with our packages, and one for each part;
    its python."""
    version = f"3.{sys.version_info.minor}"
    command = [str(Path(sys.prefix) / "bin" / "uv"), "venv", "--quiet", "--offline", "--no-config"]
    subprocess.run(
        [*command, "--managed-python", "--python", version, str(folder)],
        env={**os.environ, "UV_PYTHON_INSTALL_DIR": str(pythons)},
        check=True,
    )
    packages = sysconfig.get_path("purelib")
    (folder / "lib" / NAME / "site-packages" / "ours.pth").write_text(f"{packages}\n")
    for part in (Path(sys.prefix) / "parts").iterdir():
        own = folder / "parts" / part.name
        shutil.copytree(folder / "bin", own / "bin", symlinks=True)
        shutil.copy(folder / "pyvenv.cfg", own)
        (own / "lib").symlink_to(part / "lib")
    return folder / "bin" / "python"
