"""The audit log in files: `audit-000001.jsonl` and on, each made once and never changed.

A line is an AuditEntry with `chain`: the SHA-256 of the chain before and of the line without it. Redis knows
SHA-1 only; in files, which leave this machine, every entry is bound by SHA-256 as well.
"""

import hashlib
import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import msgspec

from frontend.audit.log import AuditEntry
from frontend.common.atomic_write import atomic_write

NAME = re.compile(r"audit-(\d{6})\.jsonl")
MAX_LINES = 100_000  # of one file


class ExportedEntry(AuditEntry, frozen=True, kw_only=True):
    chain: str = ""


class AuditFault(Exception):
    """The log is not what was written; the text says where."""


_encoder, _decoder = msgspec.json.Encoder(), msgspec.json.Decoder(ExportedEntry)


class AuditFiles:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self) -> Iterator[ExportedEntry]:
        """All entries, each checked. Raises AuditFault, OSError."""
        last: ExportedEntry | None = None
        for number, path in enumerate(self._paths(), 1):
            if path.name != f"audit-{number:06}.jsonl":
                raise AuditFault(f"audit-{number:06}.jsonl is missing")
            for line, text in enumerate(path.read_bytes().splitlines(), 1):
                last = _check(text, last, f"{path.name}, line {line}")
                yield last

    def last(self) -> ExportedEntry | None:
        """The newest entry; all before it are checked. Raises AuditFault, OSError."""
        return next(iter(deque(self.read(), maxlen=1)), None)

    def append(self, entries: list[AuditEntry], last: ExportedEntry | None) -> list[Path]:
        """Writes what follows `last` to new files. Raises AuditFault where it does not follow, OSError."""
        written, number = [], len(self._paths())
        self._folder.mkdir(parents=True, exist_ok=True)
        for start in range(0, len(entries), MAX_LINES):
            number += 1
            lines = []
            for entry in entries[start : start + MAX_LINES]:
                if not entry.follows(last.digest if last else ""):
                    raise AuditFault(f"Redis: entry {entry.entry} was changed, or one before it is missing")
                last = _chained(entry, last)
                lines.append(_encoder.encode(last))
            path = self._folder / f"audit-{number:06}.jsonl"
            atomic_write(path, b"\n".join(lines) + b"\n")
            written.append(path)
        return written

    def _paths(self) -> list[Path]:
        if not self._folder.is_dir():
            return []
        return sorted(path for path in self._folder.iterdir() if NAME.fullmatch(path.name))


def _chained(entry: AuditEntry, last: ExportedEntry | None) -> ExportedEntry:
    plain = ExportedEntry(**msgspec.structs.asdict(entry) | {"chain": ""})
    return msgspec.structs.replace(plain, chain=_chain(plain, last))


def _chain(plain: ExportedEntry, last: ExportedEntry | None) -> str:
    before = last.chain if last else ""
    return hashlib.sha256(before.encode() + _encoder.encode(plain)).hexdigest()


def _check(text: bytes, last: ExportedEntry | None, where: str) -> ExportedEntry:
    try:
        entry = _decoder.decode(text)
    except msgspec.MsgspecError as error:
        raise AuditFault(f"{where}: cannot be read ({error})") from None
    plain = msgspec.structs.replace(entry, chain="")
    if entry.chain != _chain(plain, last) or not entry.follows(last.digest if last else ""):
        raise AuditFault(f"{where}: was changed, or a line before it is missing")
    return entry
