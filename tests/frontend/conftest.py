"""One pool of cells for all tests of what is read in them."""

from collections.abc import Iterator

import pytest

from frontend.cells.cells import Cells
from frontend.services import CELL_LIMITS, FOREIGN_BYTES


@pytest.fixture(scope="session")
def cells() -> Iterator[Cells]:
    pool = Cells(FOREIGN_BYTES, CELL_LIMITS, 2)
    yield pool
    pool.close()
