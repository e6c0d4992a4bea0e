import dataclasses

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from frontend.cache.index.index import CacheIndex
from frontend.cache.index.item import Item, Vector
from frontend.cache.index.limits import Limits
from tests.frontend.cache.index.items import (
    ANIME,
    DIMENSION,
    PHOTO,
    SMALL,
    content,
    item,
    items,
    names,
    vector,
)

ROOMY = dataclasses.replace(SMALL, capacity=10_000, partition_capacity=10_000)
LOG = st.lists(st.tuples(st.integers(0, 70), st.sampled_from([ANIME, PHOTO, ("x",), ()])), max_size=150)


@settings(deadline=None, max_examples=60)
@given(log=LOG, cuts=st.lists(st.integers(1, 40), min_size=1), data=st.data())
def test_two_processes_that_read_one_log_hold_the_same(
    log: list[tuple[int, tuple[str, ...]]], cuts: list[int], data: st.DataObject
) -> None:
    entries = [item(number, partition) for number, partition in log]
    at_once, piecewise = CacheIndex(DIMENSION, SMALL), CacheIndex(DIMENSION, SMALL)
    at_once.add(entries)
    start = 0
    while start < len(entries):
        size = data.draw(st.sampled_from(cuts))
        piecewise.add(entries[start : start + size])
        start += size
        if data.draw(st.booleans()):
            piecewise.maintain()
    assert content(at_once) == content(piecewise)
    assert len(at_once) == len(piecewise) <= SMALL.capacity


def test_the_oldest_of_a_full_partition_go() -> None:
    index = CacheIndex(DIMENSION, SMALL)
    index.add(items(range(30)))
    assert names(index) == {f"picture-{number}" for number in range(5, 30)}


def test_the_oldest_of_all_go_from_any_partition() -> None:
    index = CacheIndex(DIMENSION, SMALL)
    index.add(items(range(20), PHOTO) + items(range(20, 45), ANIME))
    assert len(index) == SMALL.capacity
    assert names(index, PHOTO) == {f"picture-{number}" for number in range(5, 20)}


def test_a_replaced_item_is_the_newest() -> None:
    index = CacheIndex(DIMENSION, SMALL)
    index.add(items(range(25)))
    index.add([item(0)])
    index.add([item(99)])
    assert "picture-0" in names(index)
    assert "picture-1" not in names(index)


def test_a_replaced_item_is_found_in_its_new_partition_alone() -> None:
    index = CacheIndex(DIMENSION, SMALL)
    index.add([item(1, ANIME)])
    index.add([item(1, PHOTO)])
    assert names(index, ANIME) == set()
    assert names(index, PHOTO) == {"picture-1"}


def test_partitions_never_mix() -> None:
    index = CacheIndex(DIMENSION, ROOMY)
    index.add(items(range(20), ANIME) + items(range(20, 40), PHOTO))
    assert names(index, PHOTO) == {f"picture-{number}" for number in range(20, 40)}
    assert names(index, ("eros", "anime", "")) == set()


def test_many_pictures_of_one_prompt_are_all_found_and_hide_no_other() -> None:
    index = CacheIndex(DIMENSION, ROOMY)
    index.add([item(number, seed=7) for number in range(300)] + items(range(300, 320)))
    found = index.search(ANIME, vector(7), 301)
    assert [match.name for match in found[:300]] == [f"picture-{number}" for number in reversed(range(300))]
    assert found[300].similarity < 0.99
    assert len(index.search(ANIME, vector(7), 1_000)) == 320
    assert index.search(ANIME, vector(310), 1)[0].name == "picture-310"


def test_a_vector_that_died_is_found_when_it_comes_again() -> None:
    index = CacheIndex(DIMENSION, ROOMY)
    index.add([item(number, seed=7) for number in range(50)] + items(range(50, 100)))
    index.remove(f"picture-{number}" for number in range(50))
    index.add([item(200, seed=7), *items(range(201, 220))])
    assert index.search(ANIME, vector(7), 1)[0].name == "picture-200"


def test_the_graph_finds_nearly_all_that_exact_search_finds() -> None:
    index = CacheIndex(32, Limits(exact_below=100))
    vectors = [vector(number, 32) for number in range(3_000)]
    index.add([Item(str(number), ANIME, 0, one, b"") for number, one in enumerate(vectors)])
    assert index.statistics()[0].in_graph > 2_000
    matrix, hits = np.stack(vectors), 0
    for seed in range(5_000, 5_100):
        best = set(np.argsort(-(matrix @ vector(seed, 32)))[:10].tolist())
        hits += len(best & {int(match.name) for match in index.search(ANIME, vector(seed, 32), 10)})
    assert hits >= 970


def test_a_search_that_the_graph_cannot_answer_looks_at_everything() -> None:
    index = CacheIndex(DIMENSION, dataclasses.replace(ROOMY, most_matches=5_000))
    index.add(items(range(2_500)))
    assert len(index.search(ANIME, vector(1), 2_400)) == 2_400
    assert index.state.whole_searches == 1


def test_expired_items_are_gone() -> None:
    index = CacheIndex(DIMENSION, ROOMY)
    index.add(items(range(100)))
    assert index.expire(1_090) == 90
    assert names(index) == {f"picture-{number}" for number in range(90, 100)}


def test_items_are_removed_by_what_their_payload_says() -> None:
    index = CacheIndex(DIMENSION, ROOMY)
    index.add(items(range(50), ANIME) + items(range(50, 100), PHOTO))
    assert index.remove_where(lambda payload: payload.endswith(b"5")) == 10
    assert len(index) == 90
    assert "picture-55" not in names(index, PHOTO)


def test_a_partition_that_lost_many_is_made_anew_and_finds_the_rest() -> None:
    index = CacheIndex(DIMENSION, ROOMY)
    index.add(items(range(600)))
    index.remove(f"picture-{number}" for number in range(0, 600, 2))
    assert index.maintain() == 1
    assert [(part.items, part.dead) for part in index.statistics()] == [(300, 0)]
    assert index.maintain() == 0
    assert names(index) == {f"picture-{number}" for number in range(1, 600, 2)}
    assert index.remove(["picture-1"]) == 1


def test_a_small_partition_that_is_written_over_and_over_stays_small() -> None:
    index = CacheIndex(DIMENSION, dataclasses.replace(ROOMY, exact_below=1_000))
    for _ in range(100):
        index.add(items(range(20)))
    assert index.statistics()[0].dead < 100


def test_an_emptied_partition_takes_no_memory() -> None:
    index = CacheIndex(DIMENSION, ROOMY)
    index.add(items(range(100)))
    index.remove(f"picture-{number}" for number in range(100))
    assert index.statistics() == []


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (np.zeros(DIMENSION, np.float32), "unit length"),
        (np.full(DIMENSION, np.nan, np.float32), "unit length"),
        (vector(1, DIMENSION + 1), "shape"),
    ],
)
def test_a_bad_vector_is_refused_and_nothing_is_added(bad: Vector, words: str) -> None:
    index = CacheIndex(DIMENSION, ROOMY)
    with pytest.raises(ValueError, match=words):
        index.add([item(1), dataclasses.replace(item(2), vector=bad)])
    assert len(index) == 0
    with pytest.raises(ValueError, match=words):
        index.search(ANIME, bad, 1)


def test_a_count_without_bounds_is_refused() -> None:
    index = CacheIndex(DIMENSION, ROOMY)
    for count in (0, -1, ROOMY.most_matches + 1):
        with pytest.raises(ValueError, match="count"):
            index.search(ANIME, vector(1), count)
