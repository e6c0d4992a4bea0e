"""Triton backend `onnxruntime` for Tritons that ship without one: runs `1/model.onnx` on the CPU.

A Python-based backend: every model whose config says `backend: "onnxruntime"` shares this file, each in a
process of its own. The same config works unchanged on NVIDIA's own onnxruntime backend.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

# The stub starts an isolated interpreter: no PYTHONPATH, no virtual environment, not even this folder. Ours
# come first: the interpreter's own packages may hold a NumPy that this Triton cannot work with (2 or newer).
if "IMGEN_TRITON_SITE" in os.environ:
    sys.path[:0] = os.environ["IMGEN_TRITON_SITE"].split(os.pathsep)
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import triton_python_backend_utils as pb_utils
from adapters import open_tables
from batching import is_finite
from runtimes import NetworkSession, open_network
from serving import BatchServer


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self._server = BatchServer(
            args, _session, lambda tensor: tensor.as_numpy(), pb_utils.Tensor, np.concatenate, is_finite
        )

    def execute(self, requests: list["pb_utils.InferenceRequest"]) -> list["pb_utils.InferenceResponse"]:
        return self._server.execute(requests)


def _session(args: Mapping[str, str]) -> NetworkSession:
    config = json.loads(args["model_config"])
    parameters = {name: value["string_value"] for name, value in config["parameters"].items()}
    file = config.get("default_model_filename") or "model.onnx"
    name, path = args["model_name"], Path(args["model_repository"]) / args["model_version"] / file
    tables = open_tables(Path(args["model_repository"]), name, os.getppid())
    session = open_network(
        path, parameters, os.environ, lambda line: pb_utils.Logger.log_warn(f"{name}: {line}"), tables
    )
    declared = {item["name"] for item in config["input"]}
    if declared != set(session.inputs):
        raise ValueError(f"config.pbtxt has inputs {sorted(declared)}, {file} {sorted(session.inputs)}")
    return session
