import tracemalloc
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.errors import ExportError
from export.graphs.rewrite import WORKERS, Array, rewrite
from export.graphs.storage import graph_digest, load_model, save_model

COUNT, SIDE = 40, 512
"""Weights of a megabyte each."""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A model's folder, its weights in a file of their own."""
    weights = [
        numpy_helper.from_array(np.full((SIDE, SIDE), number, np.float32), f"weight{number}")
        for number in range(COUNT)
    ]
    nodes = [helper.make_node("Sum", [tensor.name for tensor in weights], ["y"])]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [SIDE, SIDE])
    graph = helper.make_graph(
        nodes, "g", [], [output], [*weights, numpy_helper.from_array(np.ones(2), "few")]
    )
    save_model(helper.make_model(graph), tmp_path / "source" / "1", one_file_bytes=0)
    return tmp_path / "source"


def graph_of(folder: Path) -> onnx.ModelProto:
    return onnx.load(folder / "1" / "model.onnx", load_external_data=False)


def negate(name: str, weight: Array) -> Array | None:
    return -weight if name == "weight3" else None


def test_only_the_changed_weight_differs(source: Path, tmp_path: Path) -> None:
    rewrite(source / "1", tmp_path / "made" / "1", graph_of(source), negate)
    before, after = (
        {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        for model in (load_model(folder / "1" / "model.onnx") for folder in (source, tmp_path / "made"))
    )
    np.testing.assert_array_equal(after.pop("weight3"), -before.pop("weight3"))
    assert before.keys() == after.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value)


def test_hashes_are_those_of_the_files(source: Path, tmp_path: Path) -> None:
    made = rewrite(source / "1", tmp_path / "made" / "1", graph_of(source), negate)
    assert made.source == graph_digest(source)
    assert made.made == graph_digest(tmp_path / "made") != made.source


def test_memory_holds_a_few_weights_and_never_the_model(source: Path, tmp_path: Path) -> None:
    model = graph_of(source)
    tracemalloc.start()
    rewrite(source / "1", tmp_path / "made" / "1", model, lambda _, weight: -weight)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    a_few = 3 * WORKERS + 8  # being read, changed and written, and the changed ones beside them
    assert peak < a_few * SIDE * SIDE * 4 < COUNT * SIDE * SIDE * 4


def test_file_that_ends_too_early_is_refused(source: Path, tmp_path: Path) -> None:
    path = source / "1" / "model.onnx.data"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ExportError, match="ends before its last weight"):
        rewrite(source / "1", tmp_path / "made" / "1", graph_of(source), negate)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("offset", "4096", "two weights share their place"),
        ("offset", "-1", "a wrong place"),
        ("length", "99", "a wrong place"),
    ],
)
def test_weight_in_a_place_that_cannot_be_is_refused(
    source: Path, tmp_path: Path, key: str, value: str, reason: str
) -> None:
    model = graph_of(source)
    (entry,) = [one for one in model.graph.initializer[5].external_data if one.key == key]
    entry.value = value
    with pytest.raises(ExportError, match=reason):
        rewrite(source / "1", tmp_path / "made" / "1", model, negate)
