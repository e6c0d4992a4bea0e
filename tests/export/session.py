"""Runs exported models as Triton would: onnxruntime on the CPU, one thread."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import torch

Array = npt.NDArray[Any]


@lru_cache(maxsize=16)
def session(model: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model / "1" / "model.onnx", options, providers=["CPUExecutionProvider"])


def run(model: Path, inputs: Mapping[str, torch.Tensor]) -> list[Array]:
    arrays = {name: value.numpy() for name, value in inputs.items()}
    return [np.asarray(output) for output in session(model).run(None, arrays)]


def largest_error(found: Array, wanted: torch.Tensor) -> float:
    assert found.shape == tuple(wanted.shape)
    return float(np.abs(found.astype(np.float64) - wanted.double().numpy()).max())
