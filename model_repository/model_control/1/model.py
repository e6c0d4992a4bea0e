"""Triton model `model_control`: loads and unloads networks while Triton serves, in a process of its own:
characters' for text_to_image, and a whole model's for `imgen model`.

pb_utils.load_model holds Python's global lock until the model is there, so text_to_image would stop working
on every picture meanwhile. Inputs: key, action (load or unload), model. Clients of Triton can call this model
as any other, but they do not have the key: a file that only this user can read. Without it they get the
inventory: what can be drawn with, and how much is drawn.
"""

import hmac
import os
import secrets
import sys
from functools import partial
from pathlib import Path

# The stub starts an isolated interpreter, whose own NumPy may be one that this Triton cannot work with.
if "IMGEN_TRITON_SITE" in os.environ:
    sys.path[:0] = os.environ["IMGEN_TRITON_SITE"].split(os.pathsep)

import numpy as np
import triton_python_backend_utils as pb_utils

from contract.inventory import inventory_to_json, take_stock
from contract.load_request import load_request
from contract.memory import memory_limit
from contract.names import control_key_file, order_counts_file, split_network_name
from contract.order_counts import told_order_counts
from contract.repositories import repositories_of
from contract.runtimes import told_runtime

KEY_FILE = control_key_file(os.getppid())  # one for each tritonserver; text_to_image reads it


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self._folders = repositories_of(os.environ, Path(args["model_repository"]))
        self._memory = memory_limit(os.environ)
        self._key = secrets.token_hex(32)
        KEY_FILE.unlink(missing_ok=True)  # of an earlier tritonserver that had this process number
        with os.fdopen(os.open(KEY_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(self._key)

    def execute(self, requests: list["pb_utils.InferenceRequest"]) -> list["pb_utils.InferenceResponse"]:
        return [self._answer(request) for request in requests]

    def finalize(self) -> None:
        KEY_FILE.unlink(missing_ok=True)

    def _answer(self, request: "pb_utils.InferenceRequest") -> "pb_utils.InferenceResponse":
        values = {tensor.name(): tensor.as_numpy().reshape(-1)[0] for tensor in request.inputs()}
        if values["action"] == b"inventory":
            return self._inventory()
        if not hmac.compare_digest(values["key"], self._key.encode()):
            return _refusal("only text_to_image and imgen may use it", pb_utils.TritonError.INVALID_ARG)
        try:
            _act(values["action"].decode(), values["model"].decode())
        except Exception as error:
            return _refusal(str(error), pb_utils.TritonError.INTERNAL)
        return pb_utils.InferenceResponse([pb_utils.Tensor("done", np.array([True]))])

    def _inventory(self) -> "pb_utils.InferenceResponse":
        orders = told_order_counts(order_counts_file(os.getppid()))
        told = inventory_to_json(
            take_stock(self._folders, _is_ready, self._memory, partial(told_runtime, os.environ), orders)
        ).encode()
        tensors = [
            pb_utils.Tensor("done", np.array([True])),
            pb_utils.Tensor("inventory", np.array([told], dtype=object)),
        ]
        return pb_utils.InferenceResponse(tensors)


def _is_ready(network: str) -> bool:
    return bool(pb_utils.is_model_ready(model_name=network))


def _act(action: str, model: str) -> None:
    if split_network_name(model) is None:
        raise ValueError(f"{model} is no model's network")
    pb_utils.Logger.log_info(f"model_control: {action} {model}")
    if action == "load":
        _load(model)
    elif action == "unload":
        pb_utils.unload_model(model_name=model)
    else:
        raise ValueError(f"unknown action {action}")


def _load(model: str) -> None:
    """Raises ValueError where it has not become what it should."""
    with load_request(os.getppid(), model) as request:
        pb_utils.load_model(model_name=model)
        failure = request.failure
    if failure:
        pb_utils.unload_model(model_name=model)
        raise ValueError(failure)


def _refusal(reason: str, code: int) -> "pb_utils.InferenceResponse":
    message = " ".join(reason.split())[:500]
    return pb_utils.InferenceResponse(output_tensors=[], error=pb_utils.TritonError(message, code))
