from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.errors import ExportError
from export.graphs.storage import save_model
from export.graphs.weight_names import name_weights, parameter_of

EQUAL = np.arange(4, dtype=np.float32).reshape(2, 2)
WEIGHTS = {
    "net.one.weight": EQUAL,
    "net.two.0.weight": EQUAL,
    "net.norm.weight": np.ones(2, np.float32),
    "net.idle.weight": np.ones(2, np.float32),
}


def test_every_weight_of_the_repository_has_its_torch_name(repository: Path) -> None:
    for path in repository.glob("*/1/model.onnx"):
        weights = [
            tensor for tensor in onnx.load(path).graph.initializer if tensor.data_type == TensorProto.FLOAT
        ]
        assert len(weights) > 20
        strange = [tensor.name for tensor in weights if "." not in tensor.name and np.prod(tensor.dims) > 10]
        assert strange == []


def two_layers() -> onnx.ModelProto:
    """As torch's exporter writes two square linear layers and a norm, their weights being inputs."""
    nodes = [
        helper.make_node("Transpose", ["net.one.weight"], ["a"], name="/net/one/Transpose", perm=[1, 0]),
        helper.make_node("MatMul", ["x", "a"], ["b"], name="/net/one/MatMul"),
        helper.make_node("Transpose", ["net.two.0.weight"], ["c"], name="/net/two.0/Transpose", perm=[1, 0]),
        helper.make_node("MatMul", ["b", "c"], ["d"], name="/net/two.0/MatMul"),
        helper.make_node("Constant", [], ["axes"], value=numpy_helper.from_array(np.array([1], np.int64))),
        helper.make_node("Unsqueeze", ["net.norm.weight", "axes"], ["e"], name="/net/norm/Unsqueeze"),
        helper.make_node("Mul", ["d", "e"], ["z"], name="/net/norm/Mul"),
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in [("x", [2, 2]), *((name, value.shape) for name, value in WEIGHTS.items())]
    ]
    output = helper.make_tensor_value_info("z", TensorProto.FLOAT, [2, 2])
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(helper.make_graph(nodes, "g", inputs, [output]), opset_imports=opset)


def test_weights_lie_as_the_graph_uses_them_and_each_layer_has_its_own(tmp_path: Path) -> None:
    model = two_layers()
    values = name_weights(model, WEIGHTS, set(WEIGHTS) - {"net.idle.weight"})
    save_model(model, tmp_path, values)
    found = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(found, full_check=True)
    assert [one.name for one in found.graph.input] == ["x"]
    assert [node.op_type for node in found.graph.node] == ["MatMul", "MatMul", "Mul"]
    held = {tensor.name: numpy_helper.to_array(tensor) for tensor in found.graph.initializer}
    assert held.keys() == {"net.one.weight.T", "net.two.0.weight.T", "net.norm.weight"}
    np.testing.assert_array_equal(held["net.two.0.weight.T"], WEIGHTS["net.two.0.weight"].T)
    np.testing.assert_array_equal(held["net.norm.weight"], WEIGHTS["net.norm.weight"][:, None])


def test_weight_that_the_graph_lost_is_an_error() -> None:
    with pytest.raises(ExportError, match=r"1 weights were lost in the export, such as net\.idle\.weight"):
        name_weights(two_layers(), WEIGHTS, set(WEIGHTS))


def test_name_says_which_way_round_a_weight_lies() -> None:
    assert parameter_of("a.to_q.weight.T") == ("a.to_q.weight", True)
    assert parameter_of("a.conv.weight") == ("a.conv.weight", False)
