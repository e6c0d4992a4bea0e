"""Reads a file's C2PA manifest, in a cell: whether it holds, who signed it, what was changed since."""

import functools
import io
import json
from enum import StrEnum
from typing import Any

import c2pa
import msgspec

from frontend.cells.jumbf import check_jumbf
from frontend.cells.picture_file import format_of
from frontend.cells.structure import Unsound
from frontend.finishing.texts import clean

MAX_TEXT = 100  # characters of what a stranger's manifest says of itself
_OF_THE_FILE = frozenset({"assertion.dataHash.mismatch", "assertion.bmffHash.mismatch"})
"""What the library finds wrong where the manifest itself is whole and the file around it is another."""
_OF_TRUST = frozenset({"signingCredential.untrusted"})


class ManifestSigner(StrEnum):
    US = "this system"
    ANOTHER = "another"
    UNKNOWN = "unknown"  # the manifest is damaged, so what it says of its signer is worth nothing


class ManifestReport(msgspec.Struct, frozen=True, kw_only=True):
    state: str  # C2PA's words: valid, invalid, trusted; or unreadable
    signer: ManifestSigner = ManifestSigner.UNKNOWN
    changed: bool = False  # the manifest is whole, and the file is not the one that it was made for
    generator: str = ""  # as it says itself
    issuer: str = ""  # of the signing certificate, as it says itself
    gen_id: str = ""  # these three only where it is ours
    model: str = ""
    when: str = ""

    @property
    def ours(self) -> bool:
        """It holds for these very bytes, and this system's certificate signed it."""
        return self.signer is ManifestSigner.US and not self.changed


class ManifestQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What a cell is told; it keeps nothing from one to the next but the trust list of `chain`."""

    file: bytes
    chain: str  # the one certificate that is trusted, PEM
    serial: str  # its number: others may have a certificate of the same authority
    generation: str  # label of our own assertion
    actions: str  # label of the actions


UNREADABLE = ManifestReport(state="unreadable")


def read_manifest(question: bytes) -> bytes:
    """A ManifestReport, or null where there is no manifest. Both sides are MessagePack."""
    return msgspec.msgpack.encode(_read(msgspec.msgpack.decode(question, type=ManifestQuestion)))


def _read(asked: ManifestQuestion) -> ManifestReport | None:
    kind = format_of(asked.file)
    if kind is None:
        return UNREADABLE
    try:
        store = kind.check(asked.file)
        check_jumbf(store)
        return _parse(*_reports(kind.media_type, asked, store), asked)
    except c2pa.C2paError as error:
        return None if str(error).startswith("ManifestNotFound") else UNREADABLE
    except (Unsound, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return UNREADABLE


def _reports(media_type: str, asked: ManifestQuestion, store: bytes) -> tuple[str, dict[str, Any]]:
    """State and report. A file whose end is missing, or goes on, may be none to the library: then it is told
    where the manifest is, and finds that the file was changed."""
    try:
        return _report(media_type, asked)
    except c2pa.C2paError as error:
        if not store or str(error).startswith("ManifestNotFound"):
            raise
        return _report(media_type, asked, manifest_data=store)


def _report(media_type: str, asked: ManifestQuestion, **options: Any) -> tuple[str, dict[str, Any]]:
    context = _context(asked.chain)
    with c2pa.Reader(media_type, io.BytesIO(asked.file), context=context, **options) as reader:
        return str(reader.get_validation_state()).lower(), json.loads(reader.json())


@functools.lru_cache(maxsize=1)
def _context(chain: str) -> Any:
    # Nothing is fetched for a stranger's file: no remote manifest, no certificate status.
    verify = {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False}
    return c2pa.Context.from_dict({"version": 1, "verify": verify, "trust": {"user_anchors": chain}})


def _parse(state: str, report: dict[str, Any], asked: ManifestQuestion) -> ManifestReport:
    active = report["manifests"][report["active_manifest"]]
    signature = active.get("signature_info") or {}
    found = {
        kind: {item["code"] for item in items}
        for kind, items in report["validation_results"]["activeManifest"].items()
    }
    whole = "claimSignature.validated" in found["success"] and found["failure"] <= _OF_THE_FILE | _OF_TRUST
    trusted = "signingCredential.trusted" in found["success"]
    ours = whole and trusted and signature.get("cert_serial_number") == asked.serial
    facts = _created_assertion(active, asked.generation) if ours else {}
    actions = _created_assertion(active, asked.actions).get("actions") if ours else None
    return ManifestReport(
        state=state,
        signer=ManifestSigner.US if ours else ManifestSigner.ANOTHER if whole else ManifestSigner.UNKNOWN,
        changed=whole and bool(found["failure"] & _OF_THE_FILE),
        generator=_generator(active),
        issuer=_text(signature.get("issuer")),
        gen_id=_text(facts.get("gen_id")),
        model=_text(facts.get("model")),
        when=_text(actions[0].get("when")) if actions else "",
    )


def _created_assertion(active: dict[str, Any], label: str) -> dict[str, Any]:
    """An assertion that the signer made itself."""
    found = [item for item in active["assertions"] if item["label"] == label and item.get("created")]
    return dict(found[0]["data"]) if found else {}


def _generator(active: dict[str, Any]) -> str:
    named = active.get("claim_generator_info") or [{}]
    return _text(named[0].get("name") or active.get("claim_generator"))


def _text(value: object) -> str:
    return clean(value, MAX_TEXT) if isinstance(value, str) else ""
