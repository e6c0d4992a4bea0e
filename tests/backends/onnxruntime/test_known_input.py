from collections.abc import Mapping

import numpy as np
import pytest
from batching import Arrays, TensorRule
from known_input import check_close, known_input, outcome_of


class Network:
    """One input, one output: that number."""

    def __init__(self, value: float, rows: int = 2) -> None:
        self.inputs: Mapping[str, TensorRule] = {"sigma": TensorRule(np.dtype(np.float32), (None, 1))}
        self.value, self.rows = value, rows

    def run(self, inputs: Arrays) -> Arrays:
        return {"next": np.full((self.rows,), self.value, np.float32)}


def test_it_is_the_same_every_time_and_fits() -> None:
    rules = {
        "tokens": TensorRule(np.dtype(np.int64), (None, 77)),
        "latents": TensorRule(np.dtype(np.float32), (None, 4, None, None)),
        "sigma": TensorRule(np.dtype(np.float16), (None, 1)),
    }
    one, other = known_input(rules), known_input(rules)
    assert one["tokens"].shape == (2, 77) and one["latents"].shape == (2, 4, 8, 8)
    assert 0 <= one["tokens"].min() and one["tokens"].max() < 97
    assert abs(one["latents"].mean()) < 0.1 and 0.9 < one["latents"].std() < 1.1
    assert one["sigma"].ravel().tolist() == pytest.approx([0.05, 14.0], rel=1e-2)
    assert all((one[name] == other[name]).all() and one[name].dtype == rules[name].dtype for name in rules)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_network_that_makes_no_numbers_of_it_is_refused(value: float) -> None:
    assert outcome_of(Network(1.0))["next"].tolist() == [1.0] * 2
    with pytest.raises(ValueError, match="next is not a number"):
        outcome_of(Network(value))


def test_a_network_that_answers_for_another_batch_is_refused() -> None:
    with pytest.raises(ValueError, match=r"next has the shape \[0\] for a batch of 2"):
        outcome_of(Network(1.0, rows=0))


def test_rounding_is_close_and_another_computation_is_not() -> None:
    numbers = np.random.default_rng(1).standard_normal(4000).astype(np.float32)
    pixels = np.full(9, 100, np.uint8)
    exact: Arrays = {"next": numbers, "image": pixels}
    rounded = (numbers.view(np.uint32) & 0xFFFF0000).view(np.float32)  # bfloat16's bits
    check_close({"next": rounded, "image": pixels + 3}, exact)
    with pytest.raises(ValueError, match=r"next is 0\.1 off what it is in f32; at most 0\.05 are allowed"):
        check_close({"next": numbers * np.float32(1.1), "image": pixels}, exact)
    with pytest.raises(ValueError, match="image is 5 off"):
        check_close({"next": numbers, "image": pixels + 5}, exact)
    with pytest.raises(ValueError, match="next is nan off"):
        check_close({"next": numbers * np.float32(np.nan), "image": pixels}, exact)
