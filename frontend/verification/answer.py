"""What is told of a verification, and to whom."""

from collections.abc import Sequence
from typing import Any

from frontend.domain.registered_picture import RegisteredPicture
from frontend.verification.finding import Proof, Result
from frontend.verification.manifest_report import ManifestReport, ManifestSigner
from frontend.verification.verifier import Verification

SYSTEM = "imgen"
CHANGED = "The manifest is whole; the file was changed after it was signed: its metadata or its pixels"
AGREES = {
    True: "What still agrees with the picture that it was signed for: ",
    False: "Nothing else shows that this is the picture that it was signed for",
}


def for_anyone(found: Verification, system: str) -> dict[str, Any]:
    """What a detector must tell: made here or not, when, by which system. Never whose, never of what.

    No scores: with them a stranger could change a picture little by little until its mark is gone.
    """
    finding, manifest = found.finding, found.seen.manifest
    answer: dict[str, Any] = {
        "result": finding.result,
        "proof": finding.proof,
        "time": _time(found),
        "system": None if finding.result is Result.NOT_FOUND else system or SYSTEM,
    }
    return answer | {"manifest": _manifest(manifest, found.agrees) if manifest else None}


def for_key(found: Verification, system: str, owner: str) -> dict[str, Any]:
    """And the evidence; and the job, where it is this key's own."""
    answer = for_anyone(found, system) | {"evidence": _evidence(found)}
    picture = found.picture
    if picture is None or picture.owner != owner:
        return answer
    return answer | {"picture": _picture(picture)}


def _time(found: Verification) -> str | None:
    """Of the job. Of a picture that only resembles ours or bears its mark, of that one of ours."""
    if found.picture:
        return found.picture.time
    manifest = found.seen.manifest
    return manifest.when or None if manifest and found.finding.proof is Proof.MANIFEST else None


def _manifest(manifest: ManifestReport, agrees: Sequence[str]) -> dict[str, Any]:
    told = {
        "state": manifest.state,
        "made_by": manifest.signer,
        "generator": manifest.generator,
        "issuer": manifest.issuer,
        "changed": manifest.changed,
    }
    if not manifest.changed:
        return told
    if manifest.signer is not ManifestSigner.US:
        return told | {"detail": CHANGED}
    return told | {"detail": f"{CHANGED}. {AGREES[bool(agrees)]}{', '.join(agrees)}", "agrees": list(agrees)}


def _evidence(found: Verification) -> dict[str, Any]:
    reading, mark, near = found.seen.reading, found.finding.mark, found.finding.fingerprint
    agreed = found.finding.agreement
    return {
        "mark": {
            "score": round(reading.score, 1),
            "mirrored": reading.mirrored,
            "key_version": reading.version,
            "wrong_bits": mark.wrong_bits if mark else None,
            "agreement": None if agreed is None else round(agreed, 2),
        }
        if reading
        else None,
        "fingerprint": {
            "quality": found.seen.prints[0].quality,
            "distance": near.distance if near else None,
            "mirrored": near.mirrored if near else None,
        },
    }


def _picture(picture: RegisteredPicture) -> dict[str, Any]:
    return {
        "id": picture.job,
        "gen_id": picture.gen_id,
        "model": picture.model,
        "character": picture.character,
        "fingerprint": picture.fingerprint,
        "sha256": picture.sha256,
    }
