"""Operations of a graph, counted from its shapes: what multiplies; everything else is taken for free."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import openvino

FILTERS = {
    "Convolution": 1,
    "ConvolutionBackpropData": 1,
    "GroupConvolution": 2,
    "GroupConvolutionBackpropData": 2,
}
"""By how many of a filter's first axes the outputs of one group are told apart."""

COUNTED = ("MatMul", "ScaledDotProductAttention", *FILTERS)
NOT_COUNTED = ("Einsum", "GRUSequence", "If", "LSTMSequence", "Loop", "RNNSequence", "TensorIterator")


def count(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Of one run with inputs of these shapes; a multiplication and an addition are two.

    Nothing of it is fused or left out: the graph is read, and not compiled. Raises ValueError.
    """
    model = openvino.Core().read_model(path)
    model.reshape({name: list(shape) for name, shape in shapes.items()})
    return sum(_operations(model))


def _operations(model: openvino.Model) -> Iterator[int]:
    for node in model.get_ordered_ops():
        kind = node.get_type_name()
        if kind in NOT_COUNTED:
            raise ValueError(f"{kind} is not counted")
        given = [tuple(port.get_shape()) for port in node.inputs()] if kind in COUNTED else []
        if kind == "MatMul":
            inner = given[0][-2 if node.get_attributes()["transpose_a"] else -1]
            yield 2 * math.prod(node.output(0).get_shape()) * inner
        elif kind == "ScaledDotProductAttention":
            query, key, value = given[:3]
            yield 2 * math.prod(query[:-1]) * key[-2] * (query[-1] + value[-1])
        elif kind in FILTERS:
            data = given[0] if kind.endswith("BackpropData") else node.output(0).get_shape()
            yield 2 * math.prod(data) * math.prod(given[1][FILTERS[kind] :])
