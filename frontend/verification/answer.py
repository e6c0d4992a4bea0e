"""What is told of a verification, and to whom."""

from typing import Any

from frontend.domain.registered_picture import RegisteredPicture
from frontend.verification.finding import Result
from frontend.verification.manifest_report import ManifestReport
from frontend.verification.verifier import Verification

SYSTEM = "imgen"


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
    return answer | {"manifest": _manifest(manifest) if manifest else None}


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
    return manifest.when if manifest and manifest.ours and manifest.when else None


def _manifest(manifest: ManifestReport) -> dict[str, Any]:
    return {
        "state": manifest.state,
        "made_by": "this system" if manifest.ours else "another",
        "generator": manifest.generator,
        "issuer": manifest.issuer,
    }


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
