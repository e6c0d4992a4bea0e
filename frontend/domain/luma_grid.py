"""What a picture shows, as coarse as will do to tell it from another."""

from typing import NamedTuple

MAX_CELLS = 1 << 16  # 16,384 pixels by 16,384


class LumaGrid(NamedTuple):
    """Mean brightness of each square cell, in rows from the top left; without what is less than a cell."""

    columns: int
    cells: bytes  # one each, 0 to 255

    @property
    def is_whole(self) -> bool:
        """Untrue of what was damaged where it is kept."""
        count = len(self.cells)
        return self.columns > 0 and 0 < count <= MAX_CELLS and count % self.columns == 0
