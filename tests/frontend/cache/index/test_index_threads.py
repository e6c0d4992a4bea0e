"""Searches beside everything else: never an error, never a name that was gone before the search began."""

import dataclasses
import random
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from frontend.cache.index import snapshot
from frontend.cache.index.index import CacheIndex
from tests.frontend.cache.index.items import ANIME, DIMENSION, PHOTO, SMALL, item, items, vector

LIMITS = dataclasses.replace(SMALL, exact_below=50, tail=10, capacity=2_000, partition_capacity=1_500)
SEARCHERS = 3
ROUNDS = 60


class Crowd:
    """Runs each of the works over and over in a thread of its own, until `change` is through."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.errors: list[BaseException] = []

    def run(self, change: Callable[[], None], *works: Callable[[], object]) -> None:
        threads = [threading.Thread(target=self._repeat, args=(work,)) for work in works]
        for thread in threads:
            thread.start()
        try:
            change()
        finally:
            self.over.set()
            for thread in threads:
                thread.join()
        assert self.errors == []

    def _repeat(self, work: Callable[[], object]) -> None:
        try:
            while not self.over.is_set():
                work()
        except BaseException as error:
            self.errors.append(error)


def test_no_search_fails_or_finds_what_is_gone(tmp_path: Path) -> None:
    index, gone = CacheIndex(DIMENSION, LIMITS), set[str]()
    stable = {f"picture-{number}" for number in range(10_000, 10_020)}
    searches = [0]

    def search() -> None:
        before = set(gone)
        found = index.search(ANIME, vector(random.randrange(400)), 30)
        assert not before & {match.name for match in found}
        assert len(found) == 30  # there are always more
        assert all(match.payload == f"payload of {match.name[8:]}".encode() for match in found)
        searches[0] += 1

    def change() -> None:
        for turn in range(ROUNDS):
            first = turn * 100
            index.add(items(range(first, first + 100)) + items([20_000 + turn], PHOTO))
            doomed = [f"picture-{number}" for number in range(first, first + 90)]
            index.remove(doomed)
            gone.update(doomed)

    index.add(items(range(10_000, 10_020)) + items(range(50_000, 50_060)))
    crowd = Crowd()
    crowd.run(
        change,
        *[search] * SEARCHERS,
        index.maintain,
        index.statistics,
        lambda: snapshot.write(tmp_path, index, b""),
    )
    assert searches[0] > 0
    assert index.state.rebuilds > 0
    index.maintain()
    every = {match.name for match in index.search(ANIME, vector(1), 1_000)}
    assert stable <= every
    assert not gone & every
    last = snapshot.read(tmp_path, DIMENSION, LIMITS)
    assert last is not None and len(last.index) > 0


def test_what_is_added_and_removed_while_a_partition_is_made_anew_counts() -> None:
    index = CacheIndex(DIMENSION, LIMITS)
    model = set[str]()

    def change() -> None:
        picks = random.Random(3)
        for number in range(3_000):
            index.add([item(number)])
            model.add(f"picture-{number}")
            if len(model) > 300:
                name = picks.choice(sorted(model))
                model.remove(name)
                assert index.remove([name]) == 1

    Crowd().run(change, index.maintain)
    assert index.state.rebuilds > 0
    found = index.search(ANIME, vector(1), 1_000)
    assert {match.name for match in found} == model
    for match in found[:50]:
        number = int(match.name[8:])
        assert np.isclose(match.similarity, float(vector(number) @ vector(1)), atol=1e-5)
