"""Triton backend `onnxruntime` for Tritons that ship without one: runs `1/model.onnx` on the CPU.

A Python-based backend: every model whose config says `backend: "onnxruntime"` shares this file, each in a
process of its own. The same config works unchanged on NVIDIA's own onnxruntime backend.
"""

import json
import os
import sys
from pathlib import Path

# The stub starts an isolated interpreter: no PYTHONPATH, no virtual environment, not even this folder. Ours
# come first: the interpreter's own packages may hold a NumPy that this Triton cannot work with (2 or newer).
if "IMGEN_TRITON_SITE" in os.environ:
    sys.path.insert(0, os.environ["IMGEN_TRITON_SITE"])
sys.path.insert(0, str(Path(__file__).resolve().parent))

import triton_python_backend_utils as pb_utils
from merge import Arrays, BadRequest, check, groups, join, split
from session import Session


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        parameters = {name: value["string_value"] for name, value in config["parameters"].items()}
        file = config.get("default_model_filename") or "model.onnx"
        path = Path(args["model_repository"]) / args["model_version"] / file
        self._session = Session(str(path), parameters)
        declared = {item["name"] for item in config["input"]}
        if declared != set(self._session.inputs):
            raise pb_utils.TritonModelException(
                f"config.pbtxt declares inputs {sorted(declared)}, {file} has {sorted(self._session.inputs)}"
            )

    def execute(self, requests: list["pb_utils.InferenceRequest"]) -> list["pb_utils.InferenceResponse"]:
        answers: dict[int, Arrays | Exception] = {}
        good: dict[int, Arrays] = {}
        sizes: dict[int, int] = {}
        for index, request in enumerate(requests):
            arrays = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
            try:
                sizes[index] = check(arrays, self._session.inputs)
                good[index] = arrays
            except BadRequest as error:
                answers[index] = error
        for members in groups(good):
            answers.update(self._run(members, good, sizes))
        return [_response(request, answers[index]) for index, request in enumerate(requests)]

    def _run(
        self, members: list[int], requests: dict[int, Arrays], sizes: dict[int, int]
    ) -> dict[int, Arrays | Exception]:
        try:
            joined = self._session.run(join([requests[index] for index in members]))
            outputs = split(joined, [sizes[index] for index in members])
        except Exception as error:  # onnxruntime has no common base class of errors
            if len(members) > 1:  # one bad request must not fail its neighbours
                return {k: v for index in members for k, v in self._run([index], requests, sizes).items()}
            return {members[0]: error}
        return dict(zip(members, outputs, strict=True))


def _response(
    request: "pb_utils.InferenceRequest", answer: Arrays | Exception
) -> "pb_utils.InferenceResponse":
    if isinstance(answer, Exception):
        code = pb_utils.TritonError.INTERNAL
        if isinstance(answer, BadRequest):
            code = pb_utils.TritonError.INVALID_ARG
        return pb_utils.InferenceResponse(
            output_tensors=[], error=pb_utils.TritonError(_one_line(answer), code)
        )
    names = request.requested_output_names()
    return pb_utils.InferenceResponse([pb_utils.Tensor(name, answer[name]) for name in names])


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:500] or type(error).__name__
