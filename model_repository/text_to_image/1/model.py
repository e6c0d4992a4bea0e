"""Triton model `text_to_image`: translates tensors to an order, and pictures and errors to responses."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

# The stub starts an isolated interpreter: no PYTHONPATH, no virtual environment, not even this folder. Ours
# come first: the interpreter's own packages may hold a NumPy that this Triton cannot work with (2 or newer).
if "IMGEN_TRITON_SITE" in os.environ:
    sys.path[:0] = os.environ["IMGEN_TRITON_SITE"].split(os.pathsep)
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import triton_python_backend_utils as pb_utils
from control import load, unload
from memory_gate import MemoryGate
from order import BadOrder, Order
from pipeline import Painting, Pipeline
from repositories import Repositories
from residency import Residency
from triton_engine import NetworkFailed, TritonEngine

from contract.description import BadDescription
from contract.memory import characters_that_fit, loaded_characters, memory_limit, words_of_refusal

MAX_AT_ONCE = 64  # orders; each waits in a thread of its own while a network runs
CANCEL_POLL_S = 0.1  # between looks for a cancellation while a character loads
FINAL = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL
T = TypeVar("T")


class OrderCancelled(Exception):
    """The client has gone or taken its order back."""


class Busy(Exception):
    """More orders at once than this model takes."""


# How an error's message begins, and the name of its code. A client of the streaming protocol gets no code.
KINDS = {
    BadOrder: ("REFUSED", "INVALID_ARG"),
    OrderCancelled: ("CANCELLED", "CANCELLED"),
    Busy: ("BUSY", "UNAVAILABLE"),
    BadDescription: ("FAILED", "INTERNAL"),
    NetworkFailed: ("FAILED", "INTERNAL"),
}


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        parameters = json.loads(args["model_config"])["parameters"]
        megabytes = os.environ.get("IMGEN_RESIDENT_MB") or parameters["resident_mb"]["string_value"]
        self._repositories = Repositories.from_environment(os.environ, Path(args["model_repository"]))
        self._memory, memories = memory_limit(os.environ), self._repositories.memories()
        budget = int(megabytes) << 20
        if memories:
            budget = min(budget, characters_that_fit(memories, self._memory))
        self._residency = Residency(budget, load, unload)
        base = sum(memory.loaded for memory in memories)
        self._gate = MemoryGate(self._memory, lambda: base + loaded_characters(self._residency.taken))
        # asyncio's own pool has cores + 4 threads, and each BLS call blocks one: it would bound the batches.
        self._threads = ThreadPoolExecutor(MAX_AT_ONCE + 4, thread_name_prefix="imgen")
        self._active = 0

    async def execute(self, requests: list["pb_utils.InferenceRequest"]) -> None:
        asyncio.get_running_loop().set_default_executor(self._threads)
        await asyncio.gather(*(self._answer(request) for request in requests))

    def finalize(self) -> None:
        self._threads.shutdown(wait=False)

    async def _answer(self, request: "pb_utils.InferenceRequest") -> None:
        sender = request.get_response_sender()
        self._active += 1
        try:
            if self._active > MAX_AT_ONCE:
                raise Busy(f"{MAX_AT_ONCE} orders are being worked on")
            sender.send(await self._paint(_order(request), sender), flags=FINAL)
        except Exception as error:
            sender.send(_refusal(error), flags=FINAL)
        finally:
            self._active -= 1

    async def _paint(
        self, order: Order, sender: "pb_utils.InferenceResponseSender"
    ) -> "pb_utils.InferenceResponse":
        base = self._repositories.base(order.model)
        unit = self._repositories.character(order.model, order.character) if order.character else None

        async def step_done(share: float) -> None:
            _stop_if_cancelled(sender)
            sender.send(pb_utils.InferenceResponse([_tensor("progress", [share], np.float32)]))

        async with contextlib.AsyncExitStack() as stack:
            if unit is not None:
                loaded = stack.enter_async_context(self._residency.use(unit))
                await _watch(loaded, lambda: _stop_if_cancelled(sender))
            if base.memory:
                size = order.width, order.height
                needed = base.memory.pictures.get(size, max(base.memory.pictures.values()))
                refusal = words_of_refusal(order.model, size, base.memory.loaded + needed, self._memory)
                waits = stack.enter_async_context(self._gate.slot(order.model, needed, refusal))
                await _watch(waits, lambda: _stop_if_cancelled(sender))
            pipeline = Pipeline(TritonEngine(), base, self._repositories.networks(order, unit))
            try:
                painting = await pipeline.paint(order, step_done)
                return _picture(painting, unit.weights if unit else base.weights)
            except NetworkFailed as error:
                if unit is not None and error.network in unit.models:
                    self._residency.drop(unit)  # perhaps its process has died: the next order loads it anew
                raise


async def _watch(work: Awaitable[T], look: Callable[[], None]) -> T:
    """`work`, with `look` called while it lasts; what `look` raises cancels it."""
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            look()
            await asyncio.wait([task], timeout=CANCEL_POLL_S)
        return await task
    finally:
        task.cancel()


def _stop_if_cancelled(sender: "pb_utils.InferenceResponseSender") -> None:
    if sender.is_cancelled():
        raise OrderCancelled("cancelled")


def _order(request: "pb_utils.InferenceRequest") -> Order:
    values = {tensor.name(): tensor.as_numpy().reshape(-1)[0] for tensor in request.inputs()}
    return Order(
        prompt=_text("prompt", values["prompt"]),
        negative=_text("negative", values["negative"]),
        model=_text("model", values["model"]),
        character=_text("character", values["character"]),
        width=int(values["width"]),
        height=int(values["height"]),
        steps=int(values["steps"]),
        guidance=float(values["guidance"]),
        seed=int(values["seed"]),
    )


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise BadOrder(f"{name} is not valid UTF-8") from None


def _tensor(name: str, values: object, dtype: type[np.generic]) -> "pb_utils.Tensor":
    return pb_utils.Tensor(name, np.ascontiguousarray(values, dtype=dtype))


def _picture(painting: Painting, weights: str) -> "pb_utils.InferenceResponse":
    return pb_utils.InferenceResponse(
        [
            _tensor("image", painting.pixels, np.uint8),
            _tensor("timings", painting.timings, np.float32),
            pb_utils.Tensor("weights", np.array([weights.encode()], dtype=object)),
        ]
    )


def _refusal(error: Exception) -> "pb_utils.InferenceResponse":
    told = str(error)
    if type(error) not in KINDS:
        pb_utils.Logger.log_error(f"text_to_image: {type(error).__name__}: {error}")
        told = type(error).__name__
    word, code = KINDS.get(type(error), ("FAILED", "INTERNAL"))
    message = f"{word}: {' '.join(told.split())}"[:500]
    return pb_utils.InferenceResponse(
        error=pb_utils.TritonError(message, getattr(pb_utils.TritonError, code))
    )
