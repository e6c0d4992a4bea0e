"""One exported network, run where it was exported."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import onnxruntime as ort
import torch

from contract.parts import ModelPart
from export.engines.inductor import PackageRunner
from export.errors import ExportError, first_line
from export.graphs.storage import MODEL_FILE, PACKAGE_FILE

Tensors = Mapping[str, torch.Tensor]


class Runner(Protocol):
    def run(self, inputs: Tensors) -> Tensors: ...


class GraphRunner:
    """By onnxruntime on the CPU."""

    def __init__(self, folder: Path) -> None:
        self._session = _session(folder)

    def run(self, inputs: Tensors) -> Tensors:
        found = self._session.run(None, {name: value.numpy() for name, value in inputs.items()})
        outputs = zip(self._session.get_outputs(), found, strict=True)
        return {output.name: torch.from_numpy(value) for output, value in outputs}


def runner_of(folder: Path, part: ModelPart) -> Runner:
    """A package as it is served, anything else by its graph."""
    if (folder / "1" / PACKAGE_FILE).is_file():
        return PackageRunner(folder, tuple(tensor.name for tensor in part.outputs))
    return GraphRunner(folder)


def _session(folder: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 4  # what it says of a failure is said below
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # torch takes turns with it
    try:
        return ort.InferenceSession(folder / "1" / MODEL_FILE, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a kind for each of its states
        raise ExportError(f"onnxruntime cannot load {folder.name}: {first_line(error)}") from None
