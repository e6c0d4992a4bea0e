"""Orders as Triton's tensors, and Triton's answers as pictures. Raises InferenceError for what is none."""

import re
from typing import Annotated, Any

import msgspec
import numpy as np
import tritonclient.grpc as triton

from contract.parts import TIMINGS
from frontend.domain.inference_error import InferenceError
from frontend.domain.picture import Picture, PictureOrder

WEIGHTS = ("engine", "base", "lora", "lora_strength", "style_lora", "style_lora_strength")
RUNTIMES = re.compile(r"[ -~]{0,400}")
SAMPLINGS = re.compile(r"([a-z0-9_]{1,40}( [a-z0-9_]{1,40})?)?")
HASH_OR_STRENGTH = r"^([0-9a-f]{64}|-?\d{1,2}(\.\d{1,8})?)\Z"
Weights = dict[str, Annotated[str, msgspec.Meta(pattern=HASH_OR_STRENGTH)]]


def order_tensors(order: PictureOrder) -> list[triton.InferInput]:
    texts = [(name, getattr(order, name).encode()) for name in ("prompt", "negative", "model", "character")]
    arrays = {name: np.array([text], dtype=object) for name, text in texts}
    arrays |= {name: np.array([getattr(order, name)], np.int32) for name in ("width", "height", "steps")}
    arrays["guidance"] = np.array([order.guidance], np.float32)
    arrays["seed"] = np.array([order.seed], np.int64)
    if order.style:  # else also for a Triton that knows no such input
        arrays["style"] = np.array([order.style.encode()], dtype=object)
        arrays["style_strength"] = np.array([order.style_strength], np.float32)
    for name in ("sampler", "spacing"):
        if value := getattr(order, name):
            arrays[name] = np.array([value.encode()], dtype=object)
    return [tensor(name, array) for name, array in arrays.items()]


def tensor(name: str, array: "np.ndarray[Any, Any]") -> triton.InferInput:
    kinds = {"O": "BYTES", "i4": "INT32", "i8": "INT64", "f4": "FP32"}
    kind = kinds["O" if array.dtype.kind == "O" else array.dtype.str[1:]]
    made = triton.InferInput(name, list(array.shape), kind)
    made.set_data_from_numpy(array)
    return made


def progress_share(response: triton.InferResult) -> float:
    share = response.as_numpy("progress")
    if share is None or share.shape != (1,):
        return 0.0
    return min(max(float(share[0]), 0.0), 1.0)


def picture(response: triton.InferResult, order: PictureOrder) -> Picture:
    try:
        pixels, timings = response.as_numpy("image"), response.as_numpy("timings")
    except ValueError:
        raise InferenceError("Triton's picture has another length than its shape says") from None
    if pixels.dtype != np.uint8 or pixels.shape != (order.height, order.width, 3):
        raise InferenceError(f"Triton made {pixels.dtype} {list(pixels.shape)}")
    if timings is None or timings.shape != (len(TIMINGS),):
        raise InferenceError("Triton sent no timings")
    spent = {name: float(value) for name, value in zip(TIMINGS, timings, strict=True)}
    runtime = _words(response.as_numpy("runtime"), RUNTIMES, "its runtime")
    sampling = _words(response.as_numpy("sampling"), SAMPLINGS, "its sampler")
    return Picture(pixels, spent, _weights(response.as_numpy("weights")), runtime, sampling)


def _words(told: "np.ndarray[Any, Any] | None", known: re.Pattern[str], what: str) -> str:
    """ "" where it does not tell, as an older one."""
    text = told.reshape(-1)[0].decode("ascii", "replace") if told is not None and told.size == 1 else ""
    if not known.fullmatch(text):
        raise InferenceError(f"Triton tells of {what} in other words than names and numbers")
    return str(text)


def _weights(told: "np.ndarray[Any, Any] | None") -> dict[str, str]:
    """Hashes by role; a Triton model of another origin than our export tells none."""
    try:
        hashes = msgspec.json.decode(told.reshape(-1)[0], type=Weights) if told is not None else {}
    except msgspec.MsgspecError:
        raise InferenceError("Triton tells of weights in other words than hashes") from None
    return {role: hashes[role] for role in WEIGHTS if role in hashes}
