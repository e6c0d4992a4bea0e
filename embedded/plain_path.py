"""Short and plain paths to what lies under other ones, for two programs that cannot do with every path.

A Unix socket's path has room for 107 bytes, and Triton's Python backend hands paths to a shell as they are.
"""

import hashlib
import os
import re
import stat
import tempfile
from pathlib import Path

from embedded.part import PartError

MAX_SOCKET_PATH_BYTES = 100  # Triton adds its port to the path that it is given
# No shell takes these apart, nor does a list of paths with colons between them.
_PLAIN = re.compile(r"[A-Za-z0-9/._+@-]+")


def private_folder(of: Path) -> Path:
    """A folder for this user alone that belongs to the data folder `of`, always the same one.

    Raises PartError where somebody else has taken its place.
    """
    name = f"imgen-{os.getuid()}-{_short(of)}"
    folder = Path(tempfile.gettempdir()) / name
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PartError(f"{folder} belongs to somebody else; choose another IMGEN_DATA_DIR or TMPDIR")
    return folder


def socket_path(data_dir: Path, name: str) -> Path:
    """Where a part listens: in a folder for this user alone, always the same one for a data folder.

    Raises PartError where none is short and plain enough.
    """
    folder = data_dir.resolve() / "run"
    if not _is_usable(folder / name):
        folder = private_folder(data_dir.resolve())
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)  # one that was there may have had another mode
    if not _is_usable(folder / name):
        raise PartError(f"{folder} is too long or too odd a path for a Unix socket: name another TMPDIR")
    return folder / name


def _is_usable(socket: Path) -> bool:
    return len(str(socket)) <= MAX_SOCKET_PATH_BYTES and bool(_PLAIN.fullmatch(str(socket)))


def plain(path: Path, of: Path) -> Path:
    """`path` where a shell would not take it apart, else a link to it from the private folder of `of`.

    Raises PartError where not even the link's path is plain.
    """
    if _PLAIN.fullmatch(str(path)):
        return path
    link = private_folder(of) / _short(path)
    if not _PLAIN.fullmatch(str(link)):
        raise PartError(
            f"{path} has characters that Triton cannot do with, and so has TMPDIR: name another one"
        )
    beside = link.with_name(f"{link.name}.{os.getpid()}.tmp")
    beside.unlink(missing_ok=True)
    beside.symlink_to(path)
    beside.rename(link)
    return link


def _short(path: Path) -> str:
    return hashlib.sha256(str(path).encode()).hexdigest()[:16]
