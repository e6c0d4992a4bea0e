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
        self._session: Session | None = None
        self._reason = ""
        try:
            self._session = _session(args)
        except Exception as error:
            # A character is loaded by text_to_image, and Triton 24.10 crashes now and then when a load that
            # a model asked for fails. So it "loads" and tells every request what is wrong. Base models are
            # loaded at start, where a failure is seen and does no harm.
            if "--" not in args["model_name"]:
                raise
            self._reason = f"could not be loaded: {_one_line(error)}"
            pb_utils.Logger.log_error(f"{args['model_name']} {self._reason}")

    def execute(self, requests: list["pb_utils.InferenceRequest"]) -> list["pb_utils.InferenceResponse"]:
        if self._session is None:
            return [_response(request, RuntimeError(self._reason)) for request in requests]
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
            answers.update(_run(self._session, members, good, sizes))
        return [_response(request, answers[index]) for index, request in enumerate(requests)]


def _session(args: dict[str, str]) -> Session:
    config = json.loads(args["model_config"])
    parameters = {name: value["string_value"] for name, value in config["parameters"].items()}
    file = config.get("default_model_filename") or "model.onnx"
    session = Session(str(Path(args["model_repository"]) / args["model_version"] / file), parameters)
    declared = {item["name"] for item in config["input"]}
    if declared != set(session.inputs):
        raise ValueError(f"config.pbtxt has inputs {sorted(declared)}, {file} {sorted(session.inputs)}")
    return session


def _run(
    session: Session, members: list[int], requests: dict[int, Arrays], sizes: dict[int, int]
) -> dict[int, Arrays | Exception]:
    try:
        joined = session.run(join([requests[index] for index in members]))
        outputs = split(joined, [sizes[index] for index in members])
    except Exception as error:  # onnxruntime has no common base class of errors
        if len(members) > 1:  # one bad request must not fail its neighbours
            return {k: v for index in members for k, v in _run(session, [index], requests, sizes).items()}
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
