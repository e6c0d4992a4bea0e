"""Triton backend `prompt_encoder`: texts in, vectors of unit length out, on the CPU.

A Python-based backend, for the pip-installed Triton and NVIDIA's. Tokenising and the forward pass are one
call in one process: a pass takes 2 to 3 ms, and another hop within Triton nearly one. On a GPU it would stand
behind denoising steps that take many times that.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

# See backends/onnxruntime/model.py.
if "IMGEN_TRITON_SITE" in os.environ:
    sys.path[:0] = os.environ["IMGEN_TRITON_SITE"].split(os.pathsep)
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import triton_python_backend_utils as pb_utils
from batching import is_finite
from encoder import TextEmbedder
from serving import BatchServer


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self._server = BatchServer(
            args, _encoder, lambda tensor: tensor.as_numpy(), pb_utils.Tensor, np.concatenate, is_finite
        )

    def execute(self, requests: list["pb_utils.InferenceRequest"]) -> list["pb_utils.InferenceResponse"]:
        return self._server.execute(requests)


def _encoder(args: Mapping[str, str]) -> TextEmbedder:
    config = json.loads(args["model_config"])
    parameters = {name: value["string_value"] for name, value in config["parameters"].items()}
    encoder = TextEmbedder(Path(args["model_repository"]), args["model_version"], parameters)
    declared = next(item["dims"] for item in config["output"] if item["name"] == "embedding")
    if [int(size) for size in declared] != [encoder.dimension]:
        raise ValueError(f"config.pbtxt has embeddings of {declared}, the network of {encoder.dimension}")
    return encoder
