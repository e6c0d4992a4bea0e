import numpy as np
import pytest
from batching import Arrays, BadTensors, TensorRule, check, groups, join, split
from hypothesis import given
from hypothesis import strategies as st

RULES = {
    "latents": TensorRule(np.dtype(np.float32), (None, 4, None)),
    "sigma": TensorRule(np.dtype(np.float32), (None, 1)),
}


def request(batch: int = 1, width: int = 6) -> Arrays:
    random = np.random.default_rng(batch * 100 + width)
    return {
        "latents": random.standard_normal((batch, 4, width), dtype=np.float32),
        "sigma": random.standard_normal((batch, 1), dtype=np.float32),
    }


@given(batches=st.lists(st.integers(1, 4), min_size=1, max_size=8))
def test_what_is_joined_comes_apart_again(batches: list[int]) -> None:
    requests = [request(batch) for batch in batches]
    parts = split(join(requests, np.concatenate), batches)
    for given_, part in zip(requests, parts, strict=True):
        assert all(np.array_equal(given_[name], part[name]) for name in given_)


def test_only_equal_shapes_are_joined() -> None:
    requests = {0: request(1, 6), 1: request(2, 8), 2: request(2, 6), 3: request(1, 8), 4: request(1, 7)}
    assert groups(requests) == [[0, 2], [1, 3], [4]]


def test_the_batch_size_is_read() -> None:
    assert check(request(3), RULES) == 3


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"sigma": None}, "input sigma is missing"),
        ({"sigma": np.ones((1, 1))}, "input sigma: expected float32, got float64"),
        ({"sigma": np.ones((1, 2), np.float32)}, r"input sigma: expected shape \[any, 1\], got \[1, 2\]"),
        ({"sigma": np.ones(1, np.float32)}, "input sigma: expected shape"),
        ({"sigma": np.ones((2, 1), np.float32)}, "inputs disagree about the batch size"),
    ],
)
def test_a_request_that_does_not_fit_is_refused(change: Arrays, told: str) -> None:
    arrays = {name: array for name, array in (request() | change).items() if array is not None}
    with pytest.raises(BadTensors, match=told):
        check(arrays, RULES)


def test_an_empty_batch_is_refused() -> None:
    with pytest.raises(BadTensors, match="batch size"):
        check({name: array[:0] for name, array in request().items()}, RULES)


def test_an_output_without_the_batch_is_refused() -> None:
    with pytest.raises(BadTensors, match=r"output image has shape \[2\] for a batch of 3"):
        split({"image": np.zeros(2)}, [1, 2])
