"""Ours, another's, broken, moved to another picture."""

import subprocess
from pathlib import Path

import pytest

from frontend.cells.cells import Cells
from frontend.domain.picture import Encoding, File
from frontend.finishing.authority import issue
from frontend.finishing.certificate import Certificate
from frontend.finishing.credentials import Signatory
from frontend.finishing.encode import encode
from frontend.verification.manifest import ManifestReader
from frontend.verification.manifest_report import ManifestReport, ManifestSigner
from tests.frontend.finishing.pictures import credentials, scene
from tests.programs import needs

from .edits import changes

CHAIN, KEY = issue()
OURS = Signatory(Certificate(chain=CHAIN, key=KEY, algorithm=b"es256"))


def file(kind: str = "jpeg") -> File:
    return encode(scene(64, 48), Encoding(format=kind, quality=95, lossless=False))


def read(cells: Cells, data: bytes) -> ManifestReport:
    found = ManifestReader(CHAIN, cells).read(data)
    assert found is not None
    return found


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "avif"])
def test_our_own_is_trusted_and_its_facts_are_told(cells: Cells, kind: str) -> None:
    found = read(cells, OURS.sign(file(kind), credentials()).data)
    assert (found.state, found.ours, found.generator) == ("trusted", True, "imgen")
    assert (found.gen_id, found.model, found.when) == (
        "a1b2c3d4e5f6g7h8i9j0",
        "eros",
        "2026-03-29T20:02:50Z",
    )


def test_that_of_another_imgen_is_not_ours_and_its_facts_are_not_believed(cells: Cells) -> None:
    chain, key = issue()  # of the same names as ours
    with Signatory(Certificate(chain=chain, key=key, algorithm=b"es256")) as other:
        found = read(cells, other.sign(file(), credentials()).data)
    assert (found.state, found.signer, found.gen_id, found.model) == ("valid", ManifestSigner.ANOTHER, "", "")


def test_changed_picture_makes_it_invalid(cells: Cells) -> None:
    signed = OURS.sign(file(), credentials())
    data = bytearray(signed.data)
    data[-200] ^= 1
    found = read(cells, bytes(data))
    assert (found.state, found.ours, found.changed) == ("invalid", False, True)
    assert (found.signer, found.gen_id) == (ManifestSigner.US, credentials().gen_id)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "avif"])
def test_file_that_was_changed_is_still_signed_by_whom_it_was(cells: Cells, kind: str) -> None:
    chain, key = issue()
    with Signatory(Certificate(chain=chain, key=key, algorithm=b"es256")) as other:
        for signatory, signer in ((OURS, ManifestSigner.US), (other, ManifestSigner.ANOTHER)):
            signed = signatory.sign(file(kind), credentials())
            assert read(cells, signed.data).changed is False
            for name, data in changes(signed).items():
                found = read(cells, data)
                assert (found.state, found.signer, found.changed) == ("invalid", signer, True), name
                assert bool(found.gen_id) is (signer is ManifestSigner.US)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "avif"])
@pytest.mark.parametrize(
    "edit", ["-XMP:Rating=5", "-XMP-dc:Description=Mine", "-EXIF:Artist=Me", "-XMP:all="]
)
def test_what_exiftool_edits_is_still_signed_by_us(
    cells: Cells, tmp_path: Path, kind: str, edit: str
) -> None:
    signed = OURS.sign(file(kind), credentials())
    path = tmp_path / f"picture.{signed.extension}"
    path.write_bytes(signed.data)
    subprocess.run([needs("exiftool"), "-q", "-overwrite_original", edit, path], check=True, timeout=60)
    found = read(cells, path.read_bytes())
    assert (found.state, found.signer, found.changed) == ("invalid", ManifestSigner.US, True)


def test_what_a_manifest_says_cannot_be_changed_so_that_it_is_still_ours(cells: Cells) -> None:
    """Most of its bytes damage it; padding, and what lies around it, say nothing."""
    signed = OURS.sign(file("png"), credentials())
    facts, signers = (credentials().gen_id, credentials().model, credentials().when), set()
    for at in range(signed.data.index(b"caBX") + 4, signed.data.index(b"IDAT") - 8, 61):
        data = bytearray(signed.data)
        data[at] ^= 1
        found = ManifestReader(CHAIN, cells).read(bytes(data))
        if found is None:
            continue
        signers.add(found.signer)
        assert (found.gen_id, found.model, found.when) == (
            facts if found.signer is ManifestSigner.US else ("", "", "")
        )
    assert ManifestSigner.UNKNOWN in signers


def test_manifest_of_another_picture_is_invalid(cells: Cells) -> None:
    signed, plain = OURS.sign(file(), credentials()), file()
    other = encode(scene(72, 48), Encoding(format="jpeg", quality=95, lossless=False))
    start = plain.data.index(b"\xff\xdb")
    head = signed.data[: signed.data.index(plain.data[start : start + 60])]
    moved = head + other.data[other.data.index(b"\xff\xdb") :]
    found = read(cells, moved)
    assert (found.state, found.ours, found.changed) == ("invalid", False, True)


def test_picture_without_one_has_none(cells: Cells) -> None:
    assert ManifestReader(CHAIN, cells).read(file().data) is None


@pytest.mark.parametrize("data", [b"", b"junk", b"\xff\xd8\xff\xeb\x00\x10JP"])
def test_broken_file_is_unreadable(cells: Cells, data: bytes) -> None:
    assert ManifestReader(CHAIN, cells).read(data) == ManifestReport(state="unreadable")
