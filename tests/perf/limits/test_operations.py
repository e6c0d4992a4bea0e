"""Operations of graphs that are small enough to be counted by hand."""

from pathlib import Path

import numpy as np
import openvino
import pytest
from openvino import opset13 as ops

from perf.limits.operations import count

FREE = openvino.Dimension()


def zeros(*shape: int) -> openvino.Node:
    return ops.constant(np.zeros(shape, np.float32))


def parameter(*shape: openvino.Dimension | int) -> openvino.Node:
    node = ops.parameter(openvino.PartialShape(list(shape)), np.float32, name="input")
    node.output(0).set_names({"input"})
    return node


def counted(made: openvino.Node, given: openvino.Node, folder: Path, *shape: int) -> int:
    path = folder / "model.xml"
    openvino.save_model(openvino.Model([made], [given]), path)
    return count(path, {"input": shape})


def test_matrix_product(tmp_path: Path) -> None:
    given = parameter(FREE, FREE, 7)
    made = ops.matmul(given, zeros(7, 11), False, False)
    assert counted(made, given, tmp_path, 3, 5, 7) == 2 * 3 * 5 * 7 * 11


def test_product_of_a_transposed_matrix(tmp_path: Path) -> None:
    given = parameter(FREE, 7, FREE)
    made = ops.matmul(given, zeros(11, 7), True, True)
    assert counted(made, given, tmp_path, 3, 7, 5) == 2 * 3 * 5 * 7 * 11


def test_convolution_with_a_stride(tmp_path: Path) -> None:
    given = parameter(FREE, 3, FREE, FREE)
    made = ops.convolution(given, zeros(8, 3, 3, 3), [2, 2], [1, 1], [1, 1], [1, 1])
    assert counted(made, given, tmp_path, 2, 3, 10, 20) == 2 * (2 * 5 * 10) * 8 * 3 * 3 * 3


def test_convolution_in_groups(tmp_path: Path) -> None:
    given = parameter(FREE, 6, FREE, FREE)
    made = ops.group_convolution(given, zeros(2, 4, 3, 3, 3), [1, 1], [1, 1], [1, 1], [1, 1])
    assert counted(made, given, tmp_path, 1, 6, 10, 20) == 2 * (10 * 20) * (2 * 4) * 3 * 3 * 3


def test_transposed_convolution_reads_each_pixel_once(tmp_path: Path) -> None:
    given = parameter(FREE, 3, FREE, FREE)
    made = ops.convolution_backprop_data(given, zeros(3, 8, 2, 2), [2, 2])
    assert counted(made, given, tmp_path, 1, 3, 10, 20) == 2 * (3 * 10 * 20) * 8 * 2 * 2


def test_attention(tmp_path: Path) -> None:
    given = parameter(FREE, 2, FREE, 8)
    made = ops.scaled_dot_product_attention(given, zeros(1, 2, 50, 8), zeros(1, 2, 50, 16))
    assert counted(made, given, tmp_path, 1, 2, 100, 8) == 2 * 2 * 100 * 50 * (8 + 16)


def test_what_does_not_multiply_matrices_is_free(tmp_path: Path) -> None:
    given = parameter(FREE, 7)
    made = ops.softmax(ops.multiply(given, zeros(1, 7)), 1)
    assert counted(made, given, tmp_path, 3, 7) == 0


def test_what_cannot_be_counted_is_refused(tmp_path: Path) -> None:
    given = parameter(FREE, 7)
    with pytest.raises(ValueError, match="Einsum is not counted"):
        counted(ops.einsum([given, zeros(7, 3)], "ab,bc->ac"), given, tmp_path, 3, 7)
