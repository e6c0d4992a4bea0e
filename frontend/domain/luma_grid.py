"""What a picture shows, as coarse as will do to tell it from another."""

from typing import NamedTuple


class LumaGrid(NamedTuple):
    """Mean brightness of each square cell, in rows from the top left; without what is less than a cell."""

    columns: int
    cells: bytes  # one each, 0 to 255
