"""What keeps searches fast: tails go into graphs, partitions with many dead rows are made anew."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from frontend.cache.index.partition import Partition
from frontend.cache.index.state import SLICE, WALK, Key, State

HOLD_S = 0.001  # that searches wait for a graph to grow
BATCH = 4_096  # vectors that go into a new graph at once
SOME = 64  # with fewer dead rows no partition is made anew


class Upkeep:
    def __init__(self, state: State) -> None:
        self._state = state
        self._callers = threading.Lock()
        self._wait_for_still = 0  # before those, nobody grafts

    def tidy(self) -> None:
        """After every change. What somebody else keeps still is left for the next time."""
        state = self._state
        state.closed.clear()
        for key in tuple(state.touched):
            state.touched.discard(key)
            while self._graft(key):
                pass
            partition = state.places.by_key.get(key)
            if partition and partition.due:
                state.touched.add(key)
            if partition and partition.graph is None and self._worn(partition):
                self._rebuild_unless_busy(key)

    def _graft(self, key: Key) -> bool:
        """A slice. Whether there is more to do now."""
        state = self._state
        if self._wait_for_still or not state.graphs.acquire(blocking=False):
            return False
        try:
            partition = state.places.by_key.get(key)
            if partition is None or not partition.due:
                return False
            with state.lock.writing():
                partition.graft(HOLD_S)
            return partition.grafted < len(partition.rows)
        finally:
            state.graphs.release()

    @contextmanager
    def still(self) -> Iterator[list[Partition]]:
        """No graph changes and no row moves while this is open; rows are added and die all the same."""
        with self._callers:
            self._wait_for_still += 1
        try:
            with self._state.graphs:
                with self._state.lock.reading():
                    partitions = list(self._state.places.by_key.values())
                yield partitions
        finally:
            with self._callers:
                self._wait_for_still -= 1

    def maintain(self) -> int:
        with self._state.rebuilding:
            made = sum(self._rebuild(key) for key in self._state.all_keys())
        self.tidy()
        return made

    def _rebuild_unless_busy(self, key: Key) -> None:
        if self._state.rebuilding.acquire(blocking=False):
            try:
                self._rebuild(key)
            finally:
                self._state.rebuilding.release()

    def _worn(self, partition: Partition) -> bool:
        return partition.dead >= SOME and partition.dead > self._state.limits.deleted_share * len(
            partition.rows
        )

    def _rebuild(self, key: Key) -> bool:
        state = self._state
        with state.lock.writing():
            old = state.places.by_key.get(key)
            if old is None or not self._worn(old):
                return False
            old.killed = []
        try:
            return self._replace(old, self._successor(old))
        finally:
            old.killed = None

    def _successor(self, old: Partition) -> Partition:
        """All but its newest rows. Nothing is locked for long."""
        state = self._state
        new = Partition(old.key, old.number, state.dimension, state.limits)
        with_graph = len(old) > state.limits.exact_below
        while self._copy(old, new) >= SLICE:
            if with_graph and new.waiting >= BATCH:
                new.graft_all(state.limits.rebuild_threads)
        if with_graph:
            new.graft_all(state.limits.rebuild_threads)
        return new

    def _replace(self, old: Partition, new: Partition) -> bool:
        state = self._state
        with self.still():
            while self._copy(old, new) >= SLICE:
                pass
            with state.lock.writing():
                while new.take(old, WALK):
                    pass
                if state.places.by_key.get(old.key) is not old:
                    return False
                state.places.open(new)
                state.rebuilds += 1
                state.touched.add(new.key)
                return True

    def _copy(self, old: Partition, new: Partition) -> int:
        """Some rows; how many. What has died in the old one dies in the new one."""
        with self._state.lock.reading():
            return new.take(old, WALK)
