"""Loads and unloads characters' networks, through the Triton model `model_control`."""

import os

import numpy as np
import triton_python_backend_utils as pb_utils
from triton_engine import NetworkFailed, TritonEngine

from contract.names import MODEL_CONTROL, control_key_file

KEY_FILE = control_key_file(os.getppid())  # model_control runs under the same tritonserver


async def load(model: str) -> None:
    """Returns when `model` can be used. Raises NetworkFailed."""
    try:
        await _ask("load", model)
    except NetworkFailed as error:
        pb_utils.Logger.log_error(f"text_to_image: {error}")
        raise NetworkFailed(model, "could not be loaded") from None


async def unload(model: str) -> None:
    await _ask("unload", model)


async def _ask(action: str, model: str) -> None:
    engine = TritonEngine()
    values = {"key": KEY_FILE.read_text(), "action": action, "model": model}
    inputs = [
        engine.tensor(name, np.array([value.encode()], dtype=np.object_)) for name, value in values.items()
    ]
    await engine.run(MODEL_CONTROL, inputs, ["done"])
