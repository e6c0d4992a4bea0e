"""Writes snapshots until it is killed: python -m tests.frontend.cache.index.snapshot_loop FOLDER

Before each it says on standard output how far its log is, after it that the snapshot is there.
"""

import sys
from pathlib import Path

from frontend.cache.index import snapshot
from frontend.cache.index.index import CacheIndex
from tests.frontend.cache.index.items import DIMENSION, items
from tests.frontend.cache.index.test_snapshot_kill import LIMITS


def main() -> None:
    index, position = CacheIndex(DIMENSION, LIMITS), 0
    while True:
        index.add(items(range(position, position + 50)))
        position += 50
        snapshot.write(Path(sys.argv[1]), index, str(position).encode())
        print(position, flush=True)


if __name__ == "__main__":
    main()
