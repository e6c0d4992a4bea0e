from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.errors import ExportError
from export.names import name_weights, parameter_of


def test_every_weight_of_the_repository_has_its_torch_name(repository: Path) -> None:
    for path in repository.glob("*/1/model.onnx"):
        weights = [
            tensor for tensor in onnx.load(path).graph.initializer if tensor.data_type == TensorProto.FLOAT
        ]
        assert len(weights) > 20
        strange = [tensor.name for tensor in weights if "." not in tensor.name and np.prod(tensor.dims) > 10]
        assert strange == []


def two_layers_that_share() -> onnx.ModelProto:
    """As the exporter writes two square linear layers of equal weight: one initialiser and an Identity."""
    nodes = [
        helper.make_node("Identity", ["onnx::MatMul_1"], ["onnx::MatMul_2"], name="Identity_0"),
        helper.make_node("MatMul", ["x", "onnx::MatMul_1"], ["y"], name="/net/one/MatMul"),
        helper.make_node("MatMul", ["y", "onnx::MatMul_2"], ["z"], name="/net/two.0/MatMul"),
    ]
    shapes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]) for name in ("x", "z")]
    weight = numpy_helper.from_array(np.zeros((2, 2), np.float32), "onnx::MatMul_1")
    return helper.make_model(helper.make_graph(nodes, "g", shapes[:1], shapes[1:], [weight]))


def test_layers_of_equal_weight_get_one_each_and_know_their_transpose() -> None:
    model = two_layers_that_share()
    weights = {name: np.zeros((2, 2), np.float32) for name in ("net.one.weight", "net.two.0.weight")}
    name_weights(model, weights, set(weights))
    names = [tensor.name for tensor in model.graph.initializer]
    assert sorted(names) == ["net.one.weight.T", "net.two.0.weight.T"]
    assert [node.input[1] for node in model.graph.node] == ["net.one.weight.T", "net.two.0.weight.T"]
    onnx.checker.check_model(model)


def test_weight_that_the_graph_lost_is_an_error() -> None:
    weights = {"net.one.weight": np.ones((2, 2), np.float32)}
    with pytest.raises(ExportError, match=r"1 weights were lost in the export, such as net\.one\.weight"):
        name_weights(two_layers_that_share(), weights, set(weights))


def test_name_says_which_way_round_a_weight_lies() -> None:
    assert parameter_of("a.to_q.weight.T") == ("a.to_q.weight", True)
    assert parameter_of("a.conv.weight") == ("a.conv.weight", False)
