"""Weights kept as int8: a quarter of the size, and the activations stay fp32.

onnxruntime's dynamic quantisation would scale the activations of a whole batch alike, so that a text's result
depended on the texts that Triton happened to batch it with. Here nothing but the weights is rounded, or, with
`accuracy_level` 4 of MatMulNBits, each block of each token's activations by itself.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

BITS, ZERO = 8, 128
BLOCK = 32  # weights that share one scale; with 128 a text could be told by its neighbours in the batch
ROUND_EACH_TOKEN = 4  # MatMulNBits' accuracy_level: activations as int8, scaled for every block of every token
CONTRIB = "com.microsoft"


def store_int8(model: onnx.ModelProto) -> None:
    """Replaces every MatMul with a constant matrix, and every Gather from a constant table, in place."""
    graph = model.graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        place = {"MatMul": 1, "Gather": 0}.get(node.op_type)
        table = tensors.get(node.input[place]) if place is not None else None
        if table is None:
            nodes.append(node)
        else:
            make = _matmul if node.op_type == "MatMul" else _gather
            nodes.extend(make(graph, node, numpy_helper.to_array(table)))
            graph.initializer.remove(table)
    del graph.node[:]
    graph.node.extend(nodes)
    model.opset_import.append(helper.make_opsetid(CONTRIB, 1))


def _matmul(
    graph: onnx.GraphProto, node: onnx.NodeProto, matrix: npt.NDArray[np.float32]
) -> Iterator[onnx.NodeProto]:
    """One scale for every BLOCK weights of an output, see MatMulNBits in onnxruntime's ContribOperators.md."""
    rows, columns = matrix.shape
    blocks = matrix.T.reshape(columns, rows // BLOCK, BLOCK)
    rounded, scales = _rounded(blocks)
    _constant(graph, f"{node.name}.int8", (rounded.astype(np.int16) + ZERO).astype(np.uint8))
    _constant(graph, f"{node.name}.scales", scales.reshape(-1))
    yield helper.make_node(
        "MatMulNBits",
        [node.input[0], f"{node.name}.int8", f"{node.name}.scales"],
        list(node.output),
        name=node.name,
        domain=CONTRIB,
        K=rows,
        N=columns,
        bits=BITS,
        block_size=BLOCK,
        accuracy_level=ROUND_EACH_TOKEN,
    )


def _gather(
    graph: onnx.GraphProto, node: onnx.NodeProto, table: npt.NDArray[np.float32]
) -> Iterator[onnx.NodeProto]:
    """One scale for every row."""
    rounded, scales = _rounded(table)
    name, ids = node.name, node.input[1]
    _constant(graph, f"{name}.int8", rounded)
    _constant(graph, f"{name}.scales", scales)
    yield helper.make_node("Gather", [f"{name}.int8", ids], [f"{name}.rows"], name=f"{name}.rows")
    yield helper.make_node("Cast", [f"{name}.rows"], [f"{name}.fp32"], name=f"{name}.fp32", to=TensorProto.FLOAT)
    yield helper.make_node("Gather", [f"{name}.scales", ids], [f"{name}.scale"], name=f"{name}.scale")
    yield helper.make_node("Mul", [f"{name}.fp32", f"{name}.scale"], list(node.output), name=name)


def _rounded(blocks: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """int8 of the same shape, and the scale of each row along the last axis, [..., 1]."""
    scales = np.maximum(np.abs(blocks).max(axis=-1, keepdims=True), np.float32(1e-12)) / np.float32(127)
    return np.rint(blocks / scales).astype(np.int8), scales


def _constant(graph: onnx.GraphProto, name: str, value: npt.NDArray[np.generic]) -> None:
    graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
