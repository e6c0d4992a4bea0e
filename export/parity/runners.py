"""One exported network, run where it was exported."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import torch

from contract.bank import MAX_ADAPTERS, SLOTS, STRENGTHS, is_table
from contract.parts import ModelPart
from export.engines.inductor import PackageRunner
from export.errors import ExportError, first_line
from export.graphs.storage import MODEL_FILE, PACKAGE_FILE

Tensors = Mapping[str, torch.Tensor]
Tables = Mapping[str, npt.NDArray[Any]]  # by name, [rows, columns] of one slot at most
NO_TABLES: Tables = MappingProxyType({})


class Runner(Protocol):
    def run(self, inputs: Tensors) -> Tensors: ...


class GraphRunner:
    """By onnxruntime on the CPU."""

    def __init__(self, folder: Path, adapter: Tables = NO_TABLES, strength: float = 1.0) -> None:
        """`adapter`: of a network with a bank, what slot 1 holds, which all samples then have."""
        self._session = _session(folder)
        self._strength = strength if adapter else 0.0
        self._tables = {
            one.name: _filled(one.shape, adapter.get(one.name))
            for one in self._session.get_inputs()
            if is_table(one.name)
        }

    def run(self, inputs: Tensors) -> Tensors:
        given = {name: value.numpy() for name, value in inputs.items()} | self._tables
        if self._tables:
            shape = len(next(iter(inputs.values()))), MAX_ADAPTERS
            given[SLOTS] = np.zeros(shape, np.int64)
            given[STRENGTHS] = np.zeros(shape, np.float32)
            if self._strength:
                given[SLOTS][:, 0], given[STRENGTHS][:, 0] = 1, self._strength
        found = self._session.run(None, given)
        outputs = zip(self._session.get_outputs(), found, strict=True)
        return {output.name: torch.from_numpy(value) for output, value in outputs}


def _filled(shape: Sequence[int], factors: npt.NDArray[Any] | None) -> npt.NDArray[np.float32]:
    table = np.zeros(shape, np.float32)
    if factors is not None:
        table[1, : len(factors)] = factors
    return table


def runner_of(
    folder: Path, part: ModelPart, adapter: Tables = NO_TABLES, strength: float = 1.0
) -> Runner | None:
    """A package as it is served, anything else by its graph; for the others see there. None for a graph that
    nothing here runs."""
    if (folder / "1" / PACKAGE_FILE).is_file():
        return PackageRunner(folder, tuple(tensor.name for tensor in part.outputs))
    return None if _is_bf16(folder) else GraphRunner(folder, adapter, strength)


def _is_bf16(folder: Path) -> bool:
    graph = onnx.load(folder / "1" / MODEL_FILE, load_external_data=False).graph
    return any(tensor.data_type == onnx.TensorProto.BFLOAT16 for tensor in graph.initializer)


def _session(folder: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 4  # what it says of a failure is said below
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # torch takes turns with it
    try:
        return ort.InferenceSession(folder / "1" / MODEL_FILE, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a kind for each of its states
        raise ExportError(f"onnxruntime cannot load {folder.name}: {first_line(error)}") from None
