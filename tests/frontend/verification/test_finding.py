"""What a mark is worth: with the content of its picture, with another's, with wrong bits."""

import numpy as np
import pytest

from frontend.domain.fingerprint import Fingerprint
from frontend.domain.luma_grid import LumaGrid
from frontend.invisible_mark.content import AlignedLuma
from frontend.registry.search import MAX_WRONG_BITS, SURE_BITS, MarkMatch
from frontend.verification.finding import Finding, Proof, Result, confirm
from frontend.verification.sighting import Sighting
from tests.frontend.registry.pictures import a_registered

CELLS = np.random.default_rng(1).integers(0, 256, (12, 20), dtype=np.uint8)
GRID, OTHER = LumaGrid(20, CELLS.tobytes()), LumaGrid(20, CELLS[::-1].tobytes())
NOTHING = Fingerprint("0" * 64, 0)
SEEN = Sighting(
    sha256="0" * 64,
    manifest=None,
    reading=None,
    luma=AlignedLuma(cells=CELLS.astype(np.float32), present=np.ones(CELLS.shape, np.bool_)),
    prints=(NOTHING, NOTHING),
)


def confirmed(wrong_bits: int, grid: LumaGrid | None) -> Result | None:
    finding = Finding(result=Result.MADE_HERE, proof=Proof.MARK, mark=MarkMatch(row=0, wrong_bits=wrong_bits))
    found = confirm(finding, a_registered(luma_grid=grid), SEEN)
    return found.result if found else None


@pytest.mark.parametrize("wrong", [0, SURE_BITS, SURE_BITS + 1, MAX_WRONG_BITS])
def test_mark_is_proof_where_the_content_agrees(wrong: int) -> None:
    assert confirmed(wrong, GRID) is Result.MADE_HERE


@pytest.mark.parametrize("grid", [OTHER, None])
def test_sure_mark_is_no_more_than_found_where_it_does_not_or_was_not_kept(grid: LumaGrid | None) -> None:
    assert confirmed(0, grid) is Result.MARK_FOUND
    assert confirmed(SURE_BITS, grid) is Result.MARK_FOUND


@pytest.mark.parametrize("grid", [OTHER, None])
def test_unsure_mark_is_nobodys_then(grid: LumaGrid | None) -> None:
    assert confirmed(SURE_BITS + 1, grid) is None


def test_mark_whose_picture_is_lost_is_found_and_no_more() -> None:
    finding = Finding(result=Result.MADE_HERE, proof=Proof.MARK, mark=MarkMatch(row=0, wrong_bits=0))
    found = confirm(finding, None, SEEN)
    assert found is not None
    assert (found.result, found.agreement) == (Result.MARK_FOUND, None)
