"""Runs exported models as Triton would: onnxruntime on the CPU, one thread."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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


@dataclass
class OnnxEngine:
    """text_to_image's Engine over a repository; keeps what went in and came out, by network and tensor."""

    repository: Path
    given: dict[str, dict[str, Array]] = field(default_factory=dict)
    made: dict[str, dict[str, Array]] = field(default_factory=dict)

    def tensor(self, name: str, array: Array) -> tuple[str, Array]:
        return name, array

    def rename(self, name: str, tensor: tuple[str, Array]) -> tuple[str, Array]:
        return name, tensor[1]

    def array(self, tensor: tuple[str, Array]) -> Array:
        return tensor[1]

    async def run(
        self, network: str, inputs: Sequence[tuple[str, Array]], outputs: Sequence[str], *, stay: bool = False
    ) -> list[tuple[str, Array]]:
        found = session(self.repository / network).run(list(outputs), dict(inputs))
        self.given[network], self.made[network] = dict(inputs), dict(zip(outputs, found, strict=True))
        return list(self.made[network].items())


def run(model: Path, inputs: Mapping[str, torch.Tensor]) -> list[Array]:
    arrays = {name: value.numpy() for name, value in inputs.items()}
    return [np.asarray(output) for output in session(model).run(None, arrays)]


def largest_error(found: Array, wanted: torch.Tensor) -> float:
    assert found.shape == tuple(wanted.shape)
    return float(np.abs(found.astype(np.float64) - wanted.double().numpy()).max())
