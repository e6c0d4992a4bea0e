import gc
import itertools
import sys
import tracemalloc
from types import FrameType

import pytest

from frontend.cache.rules.reading import MAX_REMEMBERED_BYTES, PromptReading, read, size_of
from frontend.domain.prompt_intent import PromptIntent


def reading(positive: str) -> PromptReading:
    return read(PromptIntent(positive))


def test_passive_says_who_does_it() -> None:
    active, passive = reading("a cat chasing a mouse"), reading("a mouse chased by a cat")
    assert active.all_relations == passive.all_relations


def test_colours_joined_by_and_belong_to_the_same_thing() -> None:
    bonds = reading("a black and white cat").bonds
    assert bonds["black"] == bonds["white"] == {frozenset({"cat"})}


def test_negated_words_are_not_among_the_words() -> None:
    found = reading("a man without a hat or scarf, smiling")
    assert found.absent == {frozenset({"hat"}), frozenset({"scarf"})}
    assert found.words == {"man", "smile"}


def test_fruit_is_no_colour() -> None:
    assert "orange" not in reading("an orange on a plate").bonds
    assert reading("an orange tent").bonds["orange"] == {frozenset({"tent"})}


def test_numbers_are_bound_to_what_they_count() -> None:
    counts = reading("two big dogs and twenty-one cats on a sofa").counts
    assert [set(counts[noun]) for noun in ("dog", "cat", "sofa")] == [{2}, {21}, {1}]


def test_compatibility_forms_are_read_as_plain_ones() -> None:
    assert reading("ＲＥＤ ｃａｒ").words == {"red", "car"}


@pytest.mark.parametrize(
    "text",
    [
        "in a b ",
        "red ",
        "no ",
        "'",
        '"',
        "a cat on a dog and ",
        ", ",
        "two ",
        "left ",
        "ﷺ",
        "a cat, ",
        "hot air ",
        "x",
    ],
)
def test_work_grows_with_the_length_alone(text: str) -> None:
    """Lines of ours that run, for a prompt and for one four times as long."""
    short, long = (text * 4_000)[:1_000], (text * 4_000)[:4_000]
    reading(text)
    assert lines_run(long) < 5 * lines_run(short) + 2_000


def lines_run(text: str) -> int:
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> object:
        nonlocal count
        if "rules" not in frame.f_code.co_filename:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)  # type: ignore[arg-type]
    try:
        read.__wrapped__(PromptIntent(text))
    finally:
        sys.settrace(before)
    return count


def longest(joint: str, negative: str = "") -> PromptIntent:
    """As many different words as a prompt holds."""
    words = map("".join, itertools.product("bdfgklmnprst", "aeiou", "bdfgklmnprst", "aeiou"))
    return PromptIntent(joint.join(words)[:4_000], (negative,))


def test_what_is_remembered_is_bounded_in_bytes() -> None:
    """A reading of the longest prompts takes most of a MiB."""
    read.__wrapped__(longest(" on "))  # the vocabulary's own memory
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(30):
            read(longest(" on ", f"rain {number}"))
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert MAX_REMEMBERED_BYTES / 2 < held < 1.05 * MAX_REMEMBERED_BYTES


@pytest.mark.parametrize("joint", [" ", ", ", " on ", " red ", " no "])
def test_readings_size_is_never_told_too_small(joint: str) -> None:
    intent = longest(joint)
    read.__wrapped__(intent)  # the vocabulary's own memory
    found, held = measured(intent)
    assert held <= size_of(found) < 2 * held


def measured(intent: PromptIntent) -> tuple[PromptReading, int]:
    """A reading, and the bytes held for it, without what other threads allocate meanwhile."""
    gc.collect()
    tracemalloc.start()
    try:
        found = read.__wrapped__(intent)
        assert found.unwanted is not None and found.all_relations is not None
        gc.collect()
        taken = tracemalloc.take_snapshot()
    finally:
        tracemalloc.stop()
    where = [tracemalloc.Filter(True, f"*/{folder}/*") for folder in ("rules", "prompts", "re")]
    ours = taken.filter_traces(where)
    return found, sum(trace.size for trace in ours.traces)


def test_what_is_remembered_is_read_once() -> None:
    intent = PromptIntent("a kite above a lighthouse")
    assert read(intent) is read(intent)


def test_what_is_beyond_the_limit_is_not_read() -> None:
    assert "end" not in reading("word " * 2_000 + "end").words
