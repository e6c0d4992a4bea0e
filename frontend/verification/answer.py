"""What is told of a verification, and to whom."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

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


class ManifestAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The file's content credentials."""

    state: Annotated[
        str, Meta(description="In C2PA's words; or `unreadable`", examples=["valid", "trusted", "invalid"])
    ]
    made_by: Annotated[ManifestSigner, Meta(description="Who signed it", examples=["this system"])]
    generator: Annotated[str, Meta(description="The program, as the manifest says", examples=["imgen"])]
    issuer: Annotated[
        str, Meta(description="Of the signing certificate, as it says itself", examples=["imgen"])
    ]
    changed: Annotated[
        bool, Meta(description="The manifest is whole, the file around it is another", examples=[False])
    ]
    detail: Annotated[
        str | UnsetType, Meta(description="Of a changed file: what that means", examples=[CHANGED])
    ] = UNSET
    agrees: Annotated[
        tuple[str, ...] | UnsetType,
        Meta(
            description="Of a changed file of ours: what is still that of the picture it was signed for",
            examples=[["registry", "mark"]],
        ),
    ] = UNSET


class VerifyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What anyone is told: made here or not, when, by which system. Never whose, never of what."""

    result: Annotated[
        Result,
        Meta(
            description="`made_here`; `mark_found`, `manifest_found`, `similar`: no proof; `not_found`",
            examples=["made_here"],
        ),
    ]
    proof: Annotated[Proof | None, Meta(description="What decided", examples=["mark"])]
    time: Annotated[
        str | None, Meta(description="When it was ordered, UTC", examples=["2026-11-25T09:00:00Z"])
    ]
    system: Annotated[str | None, Meta(description="Which made it", examples=["imgen"])]
    manifest: Annotated[ManifestAnswer | None, Meta(description="Null where the file has none")]


class MarkEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Of the invisible mark."""

    score: Annotated[float, Meta(description="How clearly it was read", examples=[31.4])]
    mirrored: Annotated[bool, Meta(description="Whether the picture is", examples=[False])]
    key_version: Annotated[int, Meta(description="Of the mark's key", examples=[1])]
    wrong_bits: Annotated[
        int | None, Meta(description="Of 64; null where no registered mark is near", examples=[0])
    ]
    agreement: Annotated[
        float | None,
        Meta(description="How well it shows what the marked picture showed; from 0.65 on it is the same",
             examples=[0.97]),
    ]  # fmt: skip


class FingerprintEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Of the likeness."""

    quality: Annotated[int, Meta(description="PDQ's, 0 to 100", examples=[100])]
    distance: Annotated[int | None, Meta(description="Bits of 256; null where nothing is near", examples=[4])]
    mirrored: Annotated[bool | None, Meta(description="Whether the picture is", examples=[False])]


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    mark: Annotated[MarkEvidence | None, Meta(description="Null where no mark of ours was read")]
    fingerprint: Annotated[FingerprintEvidence, Meta(description="Of the nearest registered picture")]


class OwnPicture(msgspec.Struct, frozen=True, kw_only=True):
    """The key's own picture that was found."""

    id: Annotated[str, Meta(description="Of the job", examples=["run_k3v9q0x2m5t8w1z4c7b6"])]
    gen_id: Annotated[str, Meta(description="Of the picture", examples=["a1b2c3d4e5f6g7h8i9j0"])]
    model: Annotated[str, Meta(description="Its name", examples=["eros"])]
    character: Annotated[str, Meta(description='Its name; `""` for none', examples=["mira"])]
    fingerprint: Annotated[
        str, Meta(description="PDQ hash, 64 hexadecimal digits", examples=["a4f8e2c1b9d0" + "0" * 52])
    ]
    sha256: Annotated[str, Meta(description="Of the file", examples=["0" * 64])]


class KeyVerifyAnswer(VerifyAnswer, frozen=True, kw_only=True):
    """What a key is told: the evidence, too; and the job, where it is this key's own."""

    evidence: Annotated[Evidence, Meta(description="What was found in the picture")]
    picture: Annotated[
        OwnPicture | UnsetType, Meta(description="Missing where the picture is not this key's own")
    ] = UNSET


def for_anyone(found: Verification, system: str) -> VerifyAnswer:
    """What a detector must tell. No scores: with them a stranger could change a picture little by little
    until its mark is gone."""
    result, proof, when, by, manifest = _told(found, system)
    return VerifyAnswer(result=result, proof=proof, time=when, system=by, manifest=manifest)


def for_key(found: Verification, system: str, owner: str) -> KeyVerifyAnswer:
    result, proof, when, by, manifest = _told(found, system)
    picture = found.picture
    own = picture is not None and picture.owner == owner
    return KeyVerifyAnswer(
        result=result,
        proof=proof,
        time=when,
        system=by,
        manifest=manifest,
        evidence=_evidence(found),
        picture=_picture(picture) if picture and own else UNSET,
    )


def _told(
    found: Verification, system: str
) -> tuple[Result, Proof | None, str | None, str | None, ManifestAnswer | None]:
    finding, manifest = found.finding, found.seen.manifest
    by = None if finding.result is Result.NOT_FOUND else system or SYSTEM
    described = _manifest(manifest, found.agrees) if manifest else None
    return finding.result, finding.proof, _time(found), by, described


def _time(found: Verification) -> str | None:
    """Of the job. Of a picture that only resembles ours or bears its mark, of that one of ours."""
    if found.picture:
        return found.picture.time
    manifest = found.seen.manifest
    return manifest.when or None if manifest and found.finding.proof is Proof.MANIFEST else None


def _manifest(manifest: ManifestReport, agrees: Sequence[str]) -> ManifestAnswer:
    told = ManifestAnswer(
        state=manifest.state,
        made_by=manifest.signer,
        generator=manifest.generator,
        issuer=manifest.issuer,
        changed=manifest.changed,
    )
    if not manifest.changed:
        return told
    if manifest.signer is not ManifestSigner.US:
        return msgspec.structs.replace(told, detail=CHANGED)
    words = f"{CHANGED}. {AGREES[bool(agrees)]}{', '.join(agrees)}"
    return msgspec.structs.replace(told, detail=words, agrees=tuple(agrees))


def _evidence(found: Verification) -> Evidence:
    reading, mark, near = found.seen.reading, found.finding.mark, found.finding.fingerprint
    agreed = found.finding.agreement
    return Evidence(
        mark=MarkEvidence(
            score=round(reading.score, 1),
            mirrored=reading.mirrored,
            key_version=reading.version,
            wrong_bits=mark.wrong_bits if mark else None,
            agreement=None if agreed is None else round(agreed, 2),
        )
        if reading
        else None,
        fingerprint=FingerprintEvidence(
            quality=found.seen.prints[0].quality,
            distance=near.distance if near else None,
            mirrored=near.mirrored if near else None,
        ),
    )


def _picture(picture: RegisteredPicture) -> OwnPicture:
    return OwnPicture(
        id=picture.job,
        gen_id=picture.gen_id,
        model=picture.model,
        character=picture.character,
        fingerprint=picture.fingerprint,
        sha256=picture.sha256,
    )
