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
def checked(base: Path, before: State, repository: Path) -> Iterator[None]:
    """Around the reading of weights; the check runs beside it. `before`: state_of, when nothing was read yet.

    Raises ExportError at the end if the base is not what was exported, or was replaced meanwhile; the former
    is known only where its export noted a hash.
    """
    noted, record = noted_graph_digest(base), repository / FOUND / f"{base.name}.json"
    known = noted is None or _known(record, before) == noted
    with ThreadPoolExecutor(1) as pool:
        found = None if known else pool.submit(graph_digest, base)
        yield
    # First: of files that are being replaced, any hash or error may come.
    if state_of(base) != before:
        raise ExportError(f"{base} was replaced while it was read; run the command again")
    if found:
        if found.result() != noted:
            raise ExportError(
                f"{base} is not what it was exported as (its weights.json); export the model again"
            )
        with suppress(OSError):  # the next merge reads it all again, then
            record.parent.mkdir(exist_ok=True)
            atomic_write(record, json.dumps({"state": before, "sha256": noted}).encode())


def _known(record: Path, state: State) -> str | None:
    try:
        kept = json.loads(record.read_bytes())
        return str(kept["sha256"]) if kept["state"] == state else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def state_of(base: Path) -> State:
    """Size, times and place of each file; the time of the last change of any kind (ctime) nobody can set."""
    files = [base / "1" / name for name in (MODEL_FILE, WEIGHTS_FILE)]
    found = [path.stat() for path in files if path.is_file()]
    return [[one.st_size, one.st_mtime_ns, one.st_ctime_ns, one.st_ino] for one in found]
