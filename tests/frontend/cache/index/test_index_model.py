"""The index beside a dictionary, through anything that can happen to both."""

import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from frontend.cache.index import snapshot
from frontend.cache.index.index import CacheIndex
from tests.frontend.cache.index.items import ANIME, DIMENSION, PHOTO, SMALL, Model, item, vector

NUMBERS = st.integers(0, 60)
# Few seeds: many items then share one vector, as pictures of one prompt do.
SEEDS = st.integers(0, 25)
PARTITIONS = st.sampled_from([ANIME, PHOTO, ("eros", "3d", "aya")])


class IndexBesideModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.index = CacheIndex(DIMENSION, SMALL)
        self.model = Model(SMALL)

    @rule(batch=st.lists(st.tuples(NUMBERS, PARTITIONS, SEEDS), max_size=30))
    def add(self, batch: list[tuple[int, tuple[str, ...], int]]) -> None:
        items = [item(number, partition, seed) for number, partition, seed in batch]
        self.index.add(items)
        for one in items:
            self.model.add(one)

    @rule(numbers=st.lists(NUMBERS, unique=True, max_size=20))
    def remove(self, numbers: list[int]) -> None:
        gone = {f"picture-{number}" for number in numbers}
        assert self.index.remove(sorted(gone)) == self.model.remove_where(lambda one: one.name in gone)

    @rule(digit=st.integers(0, 9))
    def remove_where(self, digit: int) -> None:
        end = str(digit).encode()
        removed = self.index.remove_where(lambda payload: payload.endswith(end))
        assert removed == self.model.remove_where(lambda one: one.payload.endswith(end))

    @rule(before=st.integers(1_000, 1_030))
    def expire(self, before: int) -> None:
        assert self.index.expire(before) == self.model.remove_where(lambda one: one.time_ms < before)

    @rule()
    def maintain(self) -> None:
        self.index.maintain()

    @rule()
    def restart(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            snapshot.write(Path(folder), self.index, b"here")
            read = snapshot.read(Path(folder), DIMENSION, SMALL)
        assert read is not None
        assert read.state == b"here"
        self.index = read.index

    @rule(partition=PARTITIONS, seed=SEEDS, count=st.integers(1, 50))
    def search(self, partition: tuple[str, ...], seed: int, count: int) -> None:
        wanted = vector(seed)
        found = self.index.search(partition, wanted, count)
        expected = self.model.similarities(partition, wanted)
        assert len(found) == min(count, len(expected)) == len({match.name for match in found})
        for match in found:
            assert abs(match.similarity - expected[match.name]) < 1e-5
            assert match.payload == self.model.items[match.name].payload
        assert found == sorted(found, key=lambda match: -match.similarity)

    @invariant()
    def same_size(self) -> None:
        assert len(self.index) == len(self.model.items)
        assert sum(part.items for part in self.index.statistics()) == len(self.model.items)


TestIndexBesideModel = IndexBesideModel.TestCase
TestIndexBesideModel.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
