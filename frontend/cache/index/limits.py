"""How much the index holds, and when it changes its ways."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Raises ValueError where a value makes no sense."""

    capacity: int = 1_000_000  # items in all
    partition_capacity: int = 1_000_000
    exact_below: int = 2_000  # up to so many items a partition is one matrix product, and has no graph
    tail: int = 256  # the newest items of a partition with a graph wait outside it until there are so many
    deleted_share: float = 0.25  # of a partition's rows; beyond that it is made anew
    rebuild_threads: int = 1
    most_matches: int = 1_000  # that one search may ask for
    # The graph (HNSW), measured by `make bench-cache` with a million entries. Half the links, widths of 150,
    # are built in half the time and found 97.2 % of the ten nearest. A search width of 80 finds 97.5 in 0.9
    # of the time, 120 98.7 in 1.1, 150 98.9 in 1.4; the rest has no way that leads to it.
    links: int = 32  # M; each node costs 8 * links + 8 bytes beside its vector
    build_width: int = 200  # ef_construction
    search_width: int = 100  # ef

    def __post_init__(self) -> None:
        for name in (
            "capacity",
            "partition_capacity",
            "tail",
            "rebuild_threads",
            "most_matches",
            "build_width",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if self.exact_below < 0 or self.search_width < 1:
            raise ValueError("exact_below must be at least 0 and search_width at least 1")
        if not 2 <= self.links <= 128:
            raise ValueError("links must be from 2 to 128")
        if not 0 < self.deleted_share < 1:
            raise ValueError("deleted_share must be between 0 and 1")
