"""An onnxruntime session on the CPU, set up to live beside other networks for weeks."""

import os
from collections.abc import Mapping

import numpy as np
import onnxruntime
from adapters import check_slots, drop_unused
from batching import Arrays, TensorRule, check

_TYPES = {
    "tensor(bool)": np.bool_,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(float16)": np.float16,
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
}


NO_TABLES: Arrays = {}
SHRINKAGE = "memory.enable_memory_arena_shrinkage"


class Session:
    """`parameters` are the model's own, by the names that NVIDIA's onnxruntime backend gives them.

    `intra_op_thread_count` (0: all cores; else from IMGEN_ORT_THREADS), `enable_mem_arena` (0 or 1), and
    SHRINKAGE ("cpu:0"), which gives memory back after every run. Without it a network keeps what its largest
    batch needed, and no more however long it runs; with it a run takes half as long again.
    """

    def __init__(self, path: str, parameters: Mapping[str, str], tables: Arrays = NO_TABLES) -> None:
        """`tables`: of a bank: inputs of the graph that no request gives."""
        self._session = onnxruntime.InferenceSession(
            path, _options(parameters), providers=["CPUExecutionProvider"]
        )
        self.runtime = f"onnxruntime {onnxruntime.__version__} f32"
        self._run_options = onnxruntime.RunOptions()
        if "cpu:0" in parameters.get(SHRINKAGE, "").split(";"):
            self._run_options.add_run_config_entry(SHRINKAGE, "cpu:0")
        self._tables = tables
        rules = {item.name: _rule(item) for item in self._session.get_inputs()}
        self.inputs = {name: rule for name, rule in rules.items() if name not in tables}
        self.outputs = [item.name for item in self._session.get_outputs()]

    def check(self, arrays: Arrays) -> int:
        """The batch size of one request. Raises BadTensors where it does not fit the network."""
        size = check(arrays, self.inputs)
        check_slots(arrays, self._tables)
        return size

    def run(self, inputs: Arrays) -> Arrays:
        """Raises whatever onnxruntime raises; its text can have many lines."""
        given = drop_unused(inputs, self._tables)
        feed = {**{name: given[name] for name in self.inputs}, **self._tables}
        return dict(zip(self.outputs, self._session.run(self.outputs, feed, self._run_options), strict=True))


def _options(parameters: Mapping[str, str]) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    threads = parameters.get("intra_op_thread_count") or os.environ.get("IMGEN_ORT_THREADS") or "0"
    options.intra_op_num_threads = int(threads)
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = parameters.get("enable_mem_arena", "1") == "1"
    options.enable_mem_pattern = False  # plans memory for one shape; ours change from call to call
    # Threads spin within a run, where the next operation comes in microseconds, and sleep after it, so that
    # other networks have the cores. What it gains and costs: docs/decisions/spinning.md.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
    options.log_severity_level = 3
    return options


def _rule(item: onnxruntime.NodeArg) -> TensorRule:
    shape = tuple(size if isinstance(size, int) else None for size in item.shape)
    return TensorRule(np.dtype(_TYPES[item.type]), shape)
