"""The C2PA manifest of a file: whether it holds, and whether it is one of ours."""

import io
import json
from dataclasses import dataclass
from typing import Any

import c2pa
from cryptography import x509

from frontend.finishing.manifest import GENERATION
from frontend.finishing.texts import clean

MAX_TEXT = 100  # characters of what a stranger's manifest says of itself


@dataclass(frozen=True, kw_only=True)
class ManifestReport:
    state: str  # C2PA's words: valid, invalid, trusted; or unreadable
    ours: bool = False  # it holds, and this system's certificate signed it
    generator: str = ""  # as it says itself
    issuer: str = ""  # of the signing certificate, as it says itself
    gen_id: str = ""  # these three only where it is ours
    model: str = ""
    when: str = ""


class ManifestReader:
    """Trusts one certificate: this system's own."""

    def __init__(self, chain: bytes) -> None:
        """`chain`: PEM, the signing certificate first."""
        self._serial = str(x509.load_pem_x509_certificates(chain)[0].serial_number)
        # Nothing is fetched for a stranger's file: no remote manifest, no certificate status.
        verify = {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False}
        self._context = c2pa.Context.from_dict(
            {"version": 1, "verify": verify, "trust": {"user_anchors": chain.decode()}}
        )

    def read(self, data: bytes, media_type: str) -> ManifestReport | None:
        """None where there is none."""
        try:
            with c2pa.Reader(media_type, io.BytesIO(data), context=self._context) as reader:
                state = str(reader.get_validation_state()).lower()
                return self._parse(state, json.loads(reader.json()))
        except c2pa.C2paError as error:
            return None if str(error).startswith("ManifestNotFound") else ManifestReport(state="unreadable")
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return ManifestReport(state="unreadable")

    def _parse(self, state: str, report: dict[str, Any]) -> ManifestReport:
        active = report["manifests"][report["active_manifest"]]
        signature = active.get("signature_info") or {}
        # Others may have a certificate of the same authority; its serial number tells which one this is.
        ours = state == "trusted" and signature.get("cert_serial_number") == self._serial
        facts = _created_assertion(active, GENERATION) if ours else {}
        actions = _created_assertion(active, "c2pa.actions.v2").get("actions") if ours else None
        return ManifestReport(
            state=state,
            ours=ours,
            generator=_generator(active),
            issuer=_text(signature.get("issuer")),
            gen_id=_text(facts.get("gen_id")),
            model=_text(facts.get("model")),
            when=_text(actions[0].get("when")) if actions else "",
        )

    def close(self) -> None:
        self._context.close()


def _created_assertion(active: dict[str, Any], label: str) -> dict[str, Any]:
    """An assertion that the signer made itself."""
    found = [item for item in active["assertions"] if item["label"] == label and item.get("created")]
    return dict(found[0]["data"]) if found else {}


def _generator(active: dict[str, Any]) -> str:
    named = active.get("claim_generator_info") or [{}]
    return _text(named[0].get("name") or active.get("claim_generator"))


def _text(value: object) -> str:
    return clean(value, MAX_TEXT) if isinstance(value, str) else ""
