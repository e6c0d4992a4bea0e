"""Triton backend `inductor`: runs `1/model.pt2`, a network that torch compiled ahead of time.

A Python-based backend, for the pip-installed Triton and NVIDIA's. It needs torch of the version that compiled
the package, in the folder that IMGEN_TORCH_SITE names, and no compiler. Tensors stay on the GPU where it is
compiled for one.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

# See backends/onnxruntime/model.py. Triton's own packages come first: torch takes their NumPy too.
if "IMGEN_TORCH_SITE" in os.environ:
    sys.path.insert(0, os.environ["IMGEN_TORCH_SITE"])
if "IMGEN_TRITON_SITE" in os.environ:
    sys.path[:0] = os.environ["IMGEN_TRITON_SITE"].split(os.pathsep)
sys.path.insert(0, str(Path(__file__).resolve().parent))

import torch
import triton_python_backend_utils as pb_utils
from package import Package
from serving import BatchServer


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self._server = BatchServer(args, _package, torch.from_dlpack, _tensor, torch.cat, _is_finite)

    def execute(self, requests: list["pb_utils.InferenceRequest"]) -> list["pb_utils.InferenceResponse"]:
        return self._server.execute(requests)


def _package(args: Mapping[str, str]) -> Package:
    config = json.loads(args["model_config"])
    if threads := os.environ.get("IMGEN_ORT_THREADS"):  # of one network, as for onnxruntime
        torch.set_num_threads(int(threads))
    package = Package(Path(args["model_repository"]))
    declared = {item["name"] for item in config["input"]}
    if declared != set(package.signature.inputs):
        raise ValueError(
            f"config.pbtxt has inputs {sorted(declared)}, the package {sorted(package.signature.inputs)}"
        )
    return package


def _is_finite(tensor: torch.Tensor) -> bool:
    return not tensor.is_floating_point() or bool(tensor.isfinite().all())


def _tensor(name: str, value: torch.Tensor) -> "pb_utils.Tensor":
    return pb_utils.Tensor.from_dlpack(name, value.contiguous())
