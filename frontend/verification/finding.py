"""The decision: made here, marked here, similar to what was made here, or not found; and on what evidence."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from frontend.domain.registered_picture import RegisteredPicture
from frontend.invisible_mark.content import AGREES, agreement
from frontend.registry.index import Columns, file_word, name_digest
from frontend.registry.search import SURE_BITS, MarkMatch, PrintMatch, by_mark, by_print, by_word
from frontend.verification.manifest_report import ManifestReport, ManifestSigner
from frontend.verification.sighting import Sighting


class Result(StrEnum):
    MADE_HERE = "made_here"
    MARK_FOUND = "mark_found"  # a mark of ours, on a picture that does not show what ours showed
    MANIFEST_FOUND = "manifest_found"  # a manifest of ours, in a file that is not the one it was signed for
    SIMILAR = "similar"
    NOT_FOUND = "not_found"


class Proof(StrEnum):
    """What decided. The surest one is looked at first."""

    MANIFEST = "manifest"  # it holds, and our certificate signed it
    FILE = "file"  # the very bytes that were made here
    MARK = "mark"  # made here only where the content agrees
    FINGERPRINT = "fingerprint"  # never more than similar


@dataclass(frozen=True, kw_only=True)
class Finding:
    result: Result
    proof: Proof | None = None
    entry: str = ""  # its id in the registry's stream; "" where the registry has lost it
    mark: MarkMatch | None = None
    agreement: float | None = None  # of the content, see frontend/invisible_mark/content.py
    fingerprint: PrintMatch | None = None


def find(columns: Columns, seen: Sighting) -> Iterator[Finding]:
    """What it may be, the surest first. The first that `confirm` does not refuse is the answer; the last is
    never refused. Each may take some ms."""
    manifest = seen.manifest
    if manifest is not None and manifest.ours:
        yield _match(Proof.MANIFEST, columns, rows_named(columns, manifest))
    if rows := by_word(columns.files, file_word(seen.sha256)):
        yield _match(Proof.FILE, columns, rows)
    for mark in by_mark(columns, seen.reading) if seen.reading else ():
        yield replace(_match(Proof.MARK, columns, [mark.row]), mark=mark)
    named = rows_named(columns, manifest)
    if near := by_print(columns, seen.prints, named) or by_print(columns, seen.prints):
        yield replace(_match(Proof.FINGERPRINT, columns, [near.row]), result=Result.SIMILAR, fingerprint=near)
    if manifest is not None and manifest.signer is ManifestSigner.US:
        yield replace(_match(Proof.MANIFEST, columns, named), result=Result.MANIFEST_FOUND)
    yield Finding(result=Result.NOT_FOUND)


def rows_named(columns: Columns, manifest: ManifestReport | None) -> list[int]:
    """Of the picture that a manifest of ours was signed for, whatever file it is found in."""
    if manifest is None or manifest.signer is not ManifestSigner.US:
        return []
    return by_word(columns.names, name_digest(manifest.gen_id))


def agreeing(columns: Columns, seen: Sighting) -> list[str]:
    """What of the picture itself is that of the registered one which a manifest of ours names."""
    rows = rows_named(columns, seen.manifest)
    marks = by_mark(columns, seen.reading) if seen.reading else []
    agrees = {
        "registry": bool(rows),
        "mark": any(mark.row in rows and mark.wrong_bits <= SURE_BITS for mark in marks),
        "fingerprint": by_print(columns, seen.prints, rows) is not None,
    }
    return [name for name, does in agrees.items() if does]


def confirm(finding: Finding, picture: RegisteredPicture | None, seen: Sighting) -> Finding | None:
    """With the whole record of the picture that it names; None where that says that it is another one."""
    if finding.proof is Proof.FILE:  # the index holds 64 bits of the hash, which a forger can hit
        return finding if picture is not None and picture.sha256 == seen.sha256 else None
    if finding.mark is None:
        return finding
    grid = picture.luma_grid if picture else None
    agreed = agreement(seen.luma, grid) if grid and seen.luma else None
    if agreed is not None and agreed >= AGREES:
        return replace(finding, agreement=agreed)
    if finding.mark.wrong_bits <= SURE_BITS:
        return replace(finding, result=Result.MARK_FOUND, agreement=agreed)
    return None


def _match(proof: Proof, columns: Columns, rows: list[int]) -> Finding:
    entry = columns.entry(rows[0]) if rows else ""
    return Finding(result=Result.MADE_HERE, proof=proof, entry=entry)
