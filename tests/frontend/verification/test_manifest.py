"""Ours, another's, broken, moved to another picture."""

import pytest

from frontend.cells.cells import Cells
from frontend.domain.picture import Encoding, File
from frontend.finishing.authority import issue
from frontend.finishing.certificate import Certificate
from frontend.finishing.credentials import Signatory
from frontend.finishing.encode import encode
from frontend.verification.manifest import ManifestReader
from frontend.verification.manifest_report import ManifestReport
from tests.frontend.finishing.pictures import credentials, scene

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
    assert (found.state, found.ours, found.gen_id, found.model) == ("valid", False, "", "")


def test_changed_picture_makes_it_invalid(cells: Cells) -> None:
    signed = OURS.sign(file(), credentials())
    data = bytearray(signed.data)
    data[-200] ^= 1
    found = read(cells, bytes(data))
    assert (found.state, found.ours, found.gen_id) == ("invalid", False, "")


def test_manifest_of_another_picture_is_invalid(cells: Cells) -> None:
    signed, plain = OURS.sign(file(), credentials()), file()
    other = encode(scene(72, 48), Encoding(format="jpeg", quality=95, lossless=False))
    start = plain.data.index(b"\xff\xdb")
    head = signed.data[: signed.data.index(plain.data[start : start + 60])]
    moved = head + other.data[other.data.index(b"\xff\xdb") :]
    found = read(cells, moved)
    assert (found.state, found.ours) == ("invalid", False)


def test_picture_without_one_has_none(cells: Cells) -> None:
    assert ManifestReader(CHAIN, cells).read(file().data) is None


@pytest.mark.parametrize("data", [b"", b"junk", b"\xff\xd8\xff\xeb\x00\x10JP"])
def test_broken_file_is_unreadable(cells: Cells, data: bytes) -> None:
    assert ManifestReader(CHAIN, cells).read(data) == ManifestReport(state="unreadable")
