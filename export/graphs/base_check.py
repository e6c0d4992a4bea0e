"""Whether a base's graph and weights are what its export wrote.

Gigabytes are read for that once: as long as the file system says that the files have not changed since, what
was found then counts.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from export.errors import ExportError
from export.graphs.storage import MODEL_FILE, WEIGHTS_FILE, graph_digest, noted_graph_digest
from frontend.common.atomic_write import atomic_write

FOUND = ".found"  # in the repository that is written into; Triton loads nothing of it
State = list[list[int]]


@contextmanager
def checked(base: Path, repository: Path) -> Iterator[None]:
    """Around all reading of `base`; the check runs beside it. Raises ExportError at the end if it is not
    what was exported, or was replaced; the former is known only where its export noted a hash."""
    noted, before = noted_graph_digest(base), state_of(base)
    record = repository / FOUND / f"{base.name}.json"
    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(_digest, base, before, record) if noted else None
        yield
        if found and found.result() != noted:
            raise ExportError(
                f"{base} is not what it was exported as (its weights.json); export the model again"
            )
    if state_of(base) != before:
        raise ExportError(f"{base} was replaced while it was read; run the command again")


def _digest(base: Path, state: State, record: Path) -> str:
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(record.read_bytes())
        if kept["state"] == state:
            return str(kept["sha256"])
    digest = graph_digest(base)
    with suppress(OSError):  # the next merge reads it all again, then
        record.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(record, json.dumps({"state": state, "sha256": digest}).encode())
    return digest


def state_of(base: Path) -> State:
    """Size, times and place of each file; the time of the last change of any kind (ctime) nobody can set."""
    files = [base / "1" / name for name in (MODEL_FILE, WEIGHTS_FILE)]
    found = [path.stat() for path in files if path.is_file()]
    return [[one.st_size, one.st_mtime_ns, one.st_ctime_ns, one.st_ino] for one in found]
