"""The decision: made here, similar to something made here, or not found; and on what evidence."""

from dataclasses import dataclass
from enum import StrEnum

from frontend.registry.index import Columns, file_word, name_digest
from frontend.registry.search import MarkMatch, PrintMatch, by_mark, by_print, by_word
from frontend.verification.sighting import Sighting


class Result(StrEnum):
    MADE_HERE = "made_here"
    SIMILAR = "similar"
    NOT_FOUND = "not_found"


class Proof(StrEnum):
    """What decided. The surest one is looked at first."""

    MANIFEST = "manifest"  # it holds, and our certificate signed it
    FILE = "file"  # the very bytes that were made here
    MARK = "mark"
    FINGERPRINT = "fingerprint"  # never more than similar


@dataclass(frozen=True, kw_only=True)
class Finding:
    result: Result
    proof: Proof | None = None
    entry: str = ""  # its id in the registry's stream; "" where the registry has lost it
    mark: MarkMatch | None = None
    fingerprint: PrintMatch | None = None


def find(columns: Columns, seen: Sighting, *, trust_files: bool = True) -> Finding:
    """Pure. Of a file's hash the index holds 64 bits, which a forger can hit: whoever follows `FILE` compares
    the whole hash, and asks again with `trust_files` off where it is another."""
    manifest = seen.manifest
    if manifest is not None and manifest.ours:
        rows = by_word(columns.names, name_digest(manifest.gen_id))
        return _match(Proof.MANIFEST, columns, rows)
    if trust_files and (rows := by_word(columns.files, file_word(seen.sha256))):
        return _match(Proof.FILE, columns, rows)
    if seen.reading is not None and (mark := by_mark(columns, seen.reading, seen.prints)):
        return Finding(
            result=Result.MADE_HERE,
            proof=Proof.MARK,
            entry=columns.entry(mark.row),
            mark=mark,
            fingerprint=mark.print_match,
        )
    if near := by_print(columns, seen.prints):
        return Finding(
            result=Result.SIMILAR,
            proof=Proof.FINGERPRINT,
            entry=columns.entry(near.row),
            fingerprint=near,
        )
    return Finding(result=Result.NOT_FOUND)


def _match(proof: Proof, columns: Columns, rows: list[int]) -> Finding:
    entry = columns.entry(rows[0]) if rows else ""
    return Finding(result=Result.MADE_HERE, proof=proof, entry=entry)
