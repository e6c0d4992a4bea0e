from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.prompt_encoder.int8 import MAX_WEIGHT, MIN_TABLE_SIZE, store_int8

Array = npt.NDArray[np.float32]
RANDOM = np.random.default_rng(0)


def graph(operator: str, weight: Array, kind: int, shape: list[str | int]) -> onnx.ModelProto:
    """y = x · weight, or y = rows x of weight."""
    inputs = ["x", "w"] if operator == "MatMul" else ["w", "x"]
    made = helper.make_graph(
        [helper.make_node(operator, inputs, ["y"])],
        "network",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weight, "w")],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def quantised(model: onnx.ModelProto, weight: Array) -> Callable[[npt.NDArray[np.generic]], Array]:
    values = store_int8(model, {"w": weight})
    for tensor in model.graph.initializer:
        if tensor.name in values:
            tensor.raw_data = values[tensor.name].tobytes()
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])

    def run(x: npt.NDArray[np.generic]) -> Array:
        found: Array = session.run(None, {"x": x})[0]
        return found

    return run


@pytest.fixture
def weight() -> Array:
    return RANDOM.standard_normal((64, 48), np.float32) * np.linspace(0.01, 3, 48, dtype=np.float32)


@pytest.fixture
def layer(weight: Array) -> Callable[[npt.NDArray[np.generic]], Array]:
    return quantised(graph("MatMul", weight, TensorProto.FLOAT, ["rows", 64]), weight)


def test_a_layer_is_near_its_exact_product(
    layer: Callable[[npt.NDArray[np.generic]], Array], weight: Array
) -> None:
    x = RANDOM.standard_normal((9, 64), np.float32)
    exact = x @ weight
    error = np.abs(layer(x) - exact)
    assert (error.max(axis=0) <= 0.05 * np.abs(exact).max(axis=0)).all()  # also of the faint outputs
    assert error.max() > 0  # it was quantised


@pytest.mark.parametrize("shift", [0.0, 5.0, -5.0])
def test_values_on_one_side_of_zero_lose_nothing(
    layer: Callable[[npt.NDArray[np.generic]], Array], weight: Array, shift: float
) -> None:
    x = RANDOM.uniform(-1, 1, (9, 64)).astype(np.float32)
    change = layer(x + np.float32(shift)) - layer(x)
    exact = shift * weight.sum(axis=0)
    scale = np.abs(weight).max(axis=0) * 64  # of what rounding the weights can do to a sum of 64
    assert (np.abs(change - exact) <= scale * (0.01 + abs(shift) / (2 * MAX_WEIGHT))).all()


def test_a_token_does_not_feel_its_neighbours(layer: Callable[[npt.NDArray[np.generic]], Array]) -> None:
    x = RANDOM.standard_normal((5, 64), np.float32) * np.array([[1], [1000], [0.001], [1], [7]], np.float32)
    alone = np.concatenate([layer(row[None]) for row in x])
    assert np.array_equal(layer(x), alone)


def test_a_token_of_zeros_is_none_of_no_numbers(layer: Callable[[npt.NDArray[np.generic]], Array]) -> None:
    assert np.array_equal(layer(np.zeros((1, 64), np.float32)), np.zeros((1, 48), np.float32))


def test_two_products_fit_16_bits_at_the_worst() -> None:
    assert 2 * 255 * MAX_WEIGHT <= np.iinfo(np.int16).max


def test_a_table_of_words_is_held_in_bytes() -> None:
    table = RANDOM.standard_normal((MIN_TABLE_SIZE // 32, 32), np.float32)
    model = graph("Gather", table, TensorProto.INT64, ["rows"])
    run = quantised(model, table)
    rows = np.array([0, 7, 7, len(table) - 1])
    assert np.abs(run(rows) - table[rows]).max() <= np.abs(table).max() / 200
    assert len(model.SerializeToString()) < table.nbytes / 3
