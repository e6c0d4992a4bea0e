"""One network in one of the server's runtimes, as Triton's environment has it.

python -m perf.limits.our_runtime TASK
"""

import dataclasses
import functools
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from perf.limits.inputs import inputs_of, shape_of
from perf.limits.operations import count
from perf.limits.task import LimitsTask, answer, measure, read_task, refuse

sys.path.insert(0, str(Path(__file__).parents[2] / "backends" / "shared"))

from openvino_session import OpenVinoSession, has_bf16
from session import Session

Network = Session | OpenVinoSession


def load(path: Path, task: LimitsTask) -> Network:
    """As the server does, on all cores."""
    if task.library == "onnxruntime":
        return Session(str(path), {})
    return OpenVinoSession(str(path), {}, task.precision)


def write_product(path: Path, side: int) -> None:
    """A matrix times a constant one, as in a linear layer."""
    free, fixed = ("rows", side), (side, side)
    constant = np.random.default_rng(0).standard_normal(fixed, np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["left", "right"], ["product"])],
        "product",
        [helper.make_tensor_value_info("left", TensorProto.FLOAT, free)],
        [helper.make_tensor_value_info("product", TensorProto.FLOAT, free)],
        [numpy_helper.from_array(constant, "right")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)


def main() -> None:
    task = read_task()
    if task.precision == "bf16" and not has_bf16():
        refuse("this processor has no bf16")
    with tempfile.TemporaryDirectory() as folder:
        products: list[tuple[int, Any]] = []
        for side in task.sides:
            write_product(path := Path(folder) / f"{side}.onnx", side)
            left = np.random.default_rng(1).standard_normal((side, side), np.float32)
            products.append((side, functools.partial(load(path, task).run, {"left": left})))
        network = load(Path(task.source), task)
        shapes = {name: shape_of(rule.shape, task) for name, rule in network.inputs.items()}
        integers = frozenset(name for name, rule in network.inputs.items() if rule.dtype.kind == "i")
        feed = inputs_of(shapes, integers)
        made = network.run(feed)
        np.save(task.output, made[network.outputs[0]])
        outcome = measure(task.rounds, lambda: network.run(feed), products)
    answer(dataclasses.replace(outcome, operations=count(Path(task.source), shapes)))


if __name__ == "__main__":
    main()
