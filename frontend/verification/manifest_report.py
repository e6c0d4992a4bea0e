"""Reads a file's C2PA manifest, in a cell: whether it holds, and whether it is one of ours."""

import functools
import io
import json
from typing import Any

import c2pa
import msgspec

from frontend.cells.jumbf import check_jumbf
from frontend.cells.picture_file import format_of
from frontend.cells.structure import Unsound
from frontend.finishing.texts import clean

MAX_TEXT = 100  # characters of what a stranger's manifest says of itself


class ManifestReport(msgspec.Struct, frozen=True, kw_only=True):
    state: str  # C2PA's words: valid, invalid, trusted; or unreadable
    ours: bool = False  # it holds, and this system's certificate signed it
    generator: str = ""  # as it says itself
    issuer: str = ""  # of the signing certificate, as it says itself
    gen_id: str = ""  # these three only where it is ours
    model: str = ""
    when: str = ""


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
        check_jumbf(kind.check(asked.file))
        with c2pa.Reader(kind.media_type, io.BytesIO(asked.file), context=_context(asked.chain)) as reader:
            state = str(reader.get_validation_state()).lower()
            return _parse(state, json.loads(reader.json()), asked)
    except c2pa.C2paError as error:
        return None if str(error).startswith("ManifestNotFound") else UNREADABLE
    except (Unsound, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return UNREADABLE


@functools.lru_cache(maxsize=1)
def _context(chain: str) -> Any:
    # Nothing is fetched for a stranger's file: no remote manifest, no certificate status.
    verify = {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False}
    return c2pa.Context.from_dict({"version": 1, "verify": verify, "trust": {"user_anchors": chain}})


def _parse(state: str, report: dict[str, Any], asked: ManifestQuestion) -> ManifestReport:
    active = report["manifests"][report["active_manifest"]]
    signature = active.get("signature_info") or {}
    ours = state == "trusted" and signature.get("cert_serial_number") == asked.serial
    facts = _created_assertion(active, asked.generation) if ours else {}
    actions = _created_assertion(active, asked.actions).get("actions") if ours else None
    return ManifestReport(
        state=state,
        ours=ours,
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
