import errno
import os
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.errors import ExportError
from export.graphs.rewrite import BLOCK, WORKERS, Array, rewrite
from export.graphs.storage import PAGE, graph_digest, load_model, save_model

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


def negate(weight: Array) -> Iterator[Array]:
    for row in weight:
        yield -row


THIRD = {"weight3": negate}


def test_only_the_changed_weight_differs(source: Path, tmp_path: Path) -> None:
    rewrite(source / "1", tmp_path / "made" / "1", graph_of(source), THIRD)
    before, after = (
        {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        for model in (load_model(folder / "1" / "model.onnx") for folder in (source, tmp_path / "made"))
    )
    np.testing.assert_array_equal(after.pop("weight3"), -before.pop("weight3"))
    assert before.keys() == after.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value)


def test_hash_is_that_of_the_files(source: Path, tmp_path: Path) -> None:
    made = rewrite(source / "1", tmp_path / "made" / "1", graph_of(source), THIRD)
    assert made == graph_digest(tmp_path / "made") != graph_digest(source)


@pytest.mark.parametrize("code", [errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP])
def test_file_system_that_copies_nothing_by_itself_ends_in_the_same_files(
    source: Path, tmp_path: Path, code: int
) -> None:
    asked: list[int] = []

    def refuse(old: int, new: int, count: int, place: int, end: int) -> int:
        asked.append(count)
        raise OSError(code, os.strerror(code))

    made = [
        rewrite(source / "1", tmp_path / name / "1", graph_of(source), THIRD, copy)
        for name, copy in (("copied", os.copy_file_range), ("read", refuse))
    ]
    assert asked and made[0] == made[1] == graph_digest(tmp_path / "read")


def test_another_error_of_the_copy_is_told(source: Path, tmp_path: Path) -> None:
    def fail(*_: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        rewrite(source / "1", tmp_path / "made" / "1", graph_of(source), THIRD, fail)


def test_what_is_copied_begins_at_whole_pages(source: Path, tmp_path: Path) -> None:
    """Only those can two files have in common; what lies before the first one is copied by itself."""
    path = source / "1" / "model.onnx.data"
    path.write_bytes(path.read_bytes() + bytes(3 * PAGE + 7))
    model = graph_of(source)
    odd = next(one for one in model.graph.initializer if one.name == "weight3")
    odd.dims[:] = [SIDE * SIDE - 5]  # ends within a page
    next(one for one in odd.external_data if one.key == "length").value = str((SIDE * SIDE - 5) * 4)
    copied: list[tuple[int, int]] = []

    def copy(old: int, new: int, count: int, place: int, to: int) -> int:
        assert place == to
        copied.append((place, count))
        return os.copy_file_range(old, new, count, place, to)

    rewrite(source / "1", tmp_path / "made" / "1", model, THIRD, copy)
    heads = [(place, count) for place, count in copied if place % PAGE]
    assert len(heads) == 1 and sum(heads[0]) % PAGE == 0 and heads[0][1] < PAGE
    made = (tmp_path / "made" / "1" / "model.onnx.data").read_bytes()
    assert len(made) == path.stat().st_size and made[sum(heads[0]) :] == path.read_bytes()[sum(heads[0]) :]


def test_memory_holds_strips_and_never_the_model(source: Path, tmp_path: Path) -> None:
    model = graph_of(source)
    all_of_them = {f"weight{number}": negate for number in range(COUNT)}
    tracemalloc.start()
    rewrite(source / "1", tmp_path / "made" / "1", model, all_of_them)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * BLOCK + WORKERS * SIDE * SIDE * 4 < COUNT * SIDE * SIDE * 4


@pytest.mark.parametrize("external", [True, False])
def test_error_of_a_change_ends_it(source: Path, tmp_path: Path, external: bool) -> None:
    def fail(weight: Array) -> Iterator[Array]:
        yield weight[:1]
        raise ExportError("it does not fit")

    with pytest.raises(ExportError, match="it does not fit"):
        rewrite(
            source / "1",
            tmp_path / "made" / "1",
            graph_of(source),
            {"weight3" if external else "few": fail},
        )


def test_file_that_ends_too_early_is_refused(source: Path, tmp_path: Path) -> None:
    path = source / "1" / "model.onnx.data"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ExportError, match="ends before its last weight"):
        rewrite(source / "1", tmp_path / "made" / "1", graph_of(source), THIRD)


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
        rewrite(source / "1", tmp_path / "made" / "1", model, THIRD)
