"""Networks that OpenVINO has compiled, kept on disk, with the proof that they still compute the same.

What lies here is loaded as code is: folders and files that are not this user's alone are not touched.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from batching import Arrays

PROOF_FILE, SOURCES_FILE = "proof.json", "sources.json"
MAX_RECORD_BYTES = 1 << 20
MAX_COMPILING_S = 3600  # an unfinished folder that is older is nobody's any more
UNFINISHED = ".tmp"


class CompileCache:
    """One network's folder in `root`: for these very files, this library, precision and processor.

    It comes into being whole, by one renaming; several processes may compile at once, and one of them wins.
    """

    def __init__(self, root: Path, model: Path, *bound_to: str) -> None:
        """`model`: its ONNX graph; weights in files beside it count. Raises OSError."""
        self._root = root
        for folder in (root.parent, root):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check_own(folder, stat.S_IFDIR)
        before = _read(root / SOURCES_FILE)
        sources = _records(model.parent, before)
        if sources != before:
            with contextlib.suppress(OSError):  # they are read again at the next start
                _write(root / SOURCES_FILE, sources)
        # OpenVINO looks for what it compiled by the graph's path and time.
        named = [*bound_to, str(model), str(model.stat().st_mtime_ns)]
        named += [f"{name} {record[-1]}" for name, record in sorted(sources.items())]
        self.folder = root / hashlib.sha256("\0".join(named).encode()).hexdigest()[:32]

    def known_outcome(self) -> str:
        """What `keep` was told of the network that lies here; "" where none does.

        Raises OSError and ValueError where it is not as it was kept.
        """
        if not os.path.lexists(self.folder):
            return ""
        _check_own(self.folder, stat.S_IFDIR)
        for path in self.folder.iterdir():
            _check_own(path, stat.S_IFREG)
        proof = _read(self.folder / PROOF_FILE)
        kept, outcome = proof.get("files"), proof.get("outcome")
        found = _records(self.folder, kept)
        if not isinstance(outcome, str) or not isinstance(kept, dict) or _digests(found) != _digests(kept):
            raise ValueError("its files are not those that were kept")
        return outcome

    @contextlib.contextmanager
    def new_folder(self) -> Iterator[Path]:
        """To compile into; gone in the end, unless it was kept. Raises OSError."""
        folder = Path(tempfile.mkdtemp(suffix=UNFINISHED, dir=self._root))
        try:
            yield folder
        finally:
            self.drop(folder)

    def keep(self, made: Path, outcome: str) -> None:
        """`made`, of `new_folder`, is the network's from now on; `outcome`: what it makes of the known input.

        Of files, releases or machines of before nothing stays. Raises OSError.
        """
        for path in made.iterdir():
            path.chmod(0o600)  # OpenVINO lets the group read them, whatever the umask
        _write(made / PROOF_FILE, {"files": _records(made, {}), "outcome": outcome})
        try:
            os.rename(made, self.folder)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):  # else another process was quicker
                raise
        for other in self._root.iterdir():
            if other.name not in (self.folder.name, SOURCES_FILE) and not _is_being_made(other):
                self.drop(other)

    def drop(self, folder: Path) -> None:
        """A link is taken away, never followed."""
        if folder.is_symlink() or folder.is_file():
            folder.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


def digest_of(arrays: Arrays) -> str:
    whole = hashlib.sha256()
    for name in sorted(arrays):
        whole.update(np.ascontiguousarray(arrays[name]).tobytes())
    return whole.hexdigest()


Record = list[int | str]  # size, times of change in ns, inode, SHA-256


def _records(folder: Path, known: object) -> dict[str, Record]:
    """Of each file. One that has not changed since it was recorded is not read: weights have gigabytes."""
    before = known if isinstance(known, Mapping) else {}
    found: dict[str, Record] = {}
    for path in sorted(folder.iterdir()):
        if path.is_dir() or path.name == PROOF_FILE:
            continue
        state = path.stat()
        same: Record = [state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino]
        record = before.get(path.name)
        if isinstance(record, list) and record[:-1] == same:
            found[path.name] = [*same, str(record[-1])]
        else:
            found[path.name] = [*same, _digest_of_file(path)]
    return found


def _digests(records: Mapping[str, object]) -> dict[str, object]:
    return {
        name: record[-1] if isinstance(record, list) and record else None for name, record in records.items()
    }


def _digest_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_own(path: Path, kind: int) -> None:
    state = path.lstat()
    open_to_others = kind == stat.S_IFDIR and state.st_mode & 0o022
    if stat.S_IFMT(state.st_mode) != kind or state.st_uid != os.geteuid() or open_to_others:
        raise PermissionError(f"{path.name} is a link, somebody else's, or others may write into it")


def _read(path: Path) -> dict[str, object]:
    """{} of what is no record."""
    try:
        _check_own(path, stat.S_IFREG)
        with path.open("rb") as file:
            found = json.loads(file.read(MAX_RECORD_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(path: Path, record: object) -> None:
    beside = path.with_name(f"{path.name}.{os.getpid()}{UNFINISHED}")
    try:
        beside.write_text(json.dumps(record))
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _is_being_made(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return path.suffix == UNFINISHED and time.time() - path.lstat().st_mtime < MAX_COMPILING_S
    return False
