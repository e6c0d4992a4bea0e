"""Triton model `text_to_image`: translates tensors to an order, and pictures and errors to responses."""

import asyncio
import contextlib
import json
import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
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
from bank_writer import write_slot
from control import load, unload
from kept_texts import KeptTexts
from memory_gate import MemoryGate
from order import BadOrder, Order
from pipeline import Painting, Pipeline
from repositories import CHARACTER, STYLE, BaseModel, Repositories, runtime_of, tell_weights
from residency import Residency, Unit
from slots import BankedLora, Slots
from triton_engine import MadeNoNumbers, NetworkFailed, TritonEngine

from contract.bank import BadBank, Bank
from contract.bank_file import bank_file
from contract.description import BadDescription
from contract.inventory import MAX_ORDERS
from contract.memory import characters_that_fit, loaded_characters, memory_limit, words_of_refusal
from contract.names import DENOISER, network_name, order_counts_file
from contract.order_counts import tell_order_counts

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
    MadeNoNumbers: ("NO NUMBERS", "INTERNAL"),
}


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        parameters = json.loads(args["model_config"])["parameters"]
        megabytes = os.environ.get("IMGEN_RESIDENT_MB") or parameters["resident_mb"]["string_value"]
        self._repositories = Repositories.from_environment(os.environ, Path(args["model_repository"]))
        self._memory, self._budget = memory_limit(os.environ), int(megabytes) << 20
        self._residency = Residency(self._budget, load, unload)
        self._loaded = 0  # bytes of the base models
        self._gate = MemoryGate(self._memory, lambda: self._loaded + loaded_characters(self._residency.taken))
        # asyncio's own pool has cores + 4 threads, and each BLS call blocks one: it would bound the batches.
        # An order waits in a thread of its own while a network runs.
        self._threads = ThreadPoolExecutor(MAX_ORDERS + 4, thread_name_prefix="imgen")
        self._active = 0
        self._counts_file = order_counts_file(os.getppid())
        self._counts = Counter[str]()  # orders by model
        self._tell_counts()
        self._kept = KeptTexts()
        self._banks: dict[str, tuple[Mapping[str, Bank], Slots]] = {}  # by model

    async def execute(self, requests: list["pb_utils.InferenceRequest"]) -> None:
        asyncio.get_running_loop().set_default_executor(self._threads)
        await asyncio.gather(*(self._answer(request) for request in requests))

    def finalize(self) -> None:
        self._threads.shutdown(wait=False)
        self._counts_file.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _counted(self, model: str) -> Iterator[None]:
        """Whoever sends orders is told of this one, so that it knows what others have sent."""
        self._counts[model] += 1
        self._tell_counts()
        try:
            yield
        finally:
            self._counts[model] -= 1
            self._tell_counts()

    def _tell_counts(self) -> None:
        with contextlib.suppress(OSError):  # of a full disk, which costs no picture
            tell_order_counts(self._counts_file, self._counts)

    async def _answer(self, request: "pb_utils.InferenceRequest") -> None:
        sender = request.get_response_sender()
        self._active += 1
        try:
            if self._active > MAX_ORDERS:
                raise Busy(f"{MAX_ORDERS} orders are being worked on")
            sender.send(await self._paint(_order(request), sender), flags=FINAL)
        except Exception as error:
            sender.send(_refusal(error), flags=FINAL)
        finally:
            self._active -= 1

    async def _paint(
        self, order: Order, sender: "pb_utils.InferenceResponseSender"
    ) -> "pb_utils.InferenceResponse":
        base = self._repositories.base(order.model)
        self._take_measure()
        adapters, unit = self._adapters(base, order)

        def look() -> None:
            _stop_if_cancelled(sender)

        async def step_done(share: float) -> None:
            sender.send(pb_utils.InferenceResponse([_tensor("progress", [share], np.float32)]))

        async with contextlib.AsyncExitStack() as stack:
            stack.enter_context(self._counted(order.model))
            if unit is not None:
                loaded = stack.enter_async_context(self._residency.use(unit))
                await _watch(loaded, look)
            slots = await _watch(
                stack.enter_async_context(self._slots(order.model, base).use(adapters)), look
            )
            chosen = [(slot, one.strength) for slot, one in zip(slots, adapters, strict=True)]
            if base.memory:
                size = order.width, order.height
                needed = base.memory.pictures.get(size, max(base.memory.pictures.values()))
                refusal = words_of_refusal(order.model, size, base.memory.loaded + needed, self._memory)
                waits = stack.enter_async_context(self._gate.slot(order.model, needed, refusal))
                await _watch(waits, look)
            networks = self._repositories.networks(order, unit)
            try:
                pipeline = Pipeline(TritonEngine(), base, networks, chosen, self._kept)
                painting = await pipeline.paint(order, step_done, look)
                weights = tell_weights(unit.weights if unit else base.weights, adapters)
                return _picture(painting, weights, runtime_of(os.environ, networks))
            except NetworkFailed as error:
                died = not isinstance(error, MadeNoNumbers)
                if died and unit is not None and error.network in unit.models:
                    self._residency.drop(unit)  # perhaps its process has died: the next order loads it anew
                raise

    def _adapters(self, base: BaseModel, order: Order) -> tuple[list[BankedLora], Unit | None]:
        """What is to be loaded of the order's character and style: into the model's bank; or the character's
        own networks."""
        adapters = self._repositories.adapters(order) if base.banks else []
        unit = None
        if order.character and not any(one.role == CHARACTER for one in adapters):
            unit = self._repositories.character(order.model, order.character)
        if order.style and (unit is not None or not any(one.role == STYLE for one in adapters)):
            reason = f"beside networks of {unit.name}'s own" if unit else "in no bank"
            raise BadOrder(f"the LoRA of style {order.style} is {reason}")
        return adapters, unit

    def _take_measure(self) -> None:
        """Of the base models that are loaded now: `imgen model` adds and removes some while Triton serves."""
        memories = self._repositories.memories(_is_ready)
        self._loaded = sum(memory.loaded for memory in memories.values())
        self._gate.forget_others(memories)
        if memories:
            fitting = characters_that_fit(memories.values(), self._memory)
            self._residency.budget = min(self._budget, fitting)

    def _slots(self, model: str, base: BaseModel) -> Slots:
        """Of the model's bank; anew where it was loaded again with another one."""
        known = self._banks.get(model)
        if known is None or known[0] != base.banks:
            files = {bank_file(os.getppid(), name): bank for name, bank in base.banks.items()}

            async def write(adapter: BankedLora, slot: int) -> None:
                pb_utils.Logger.log_info(f"text_to_image: {adapter.name} into slot {slot}")
                try:
                    await asyncio.to_thread(write_slot, adapter.file, slot, files)
                except BadBank as error:
                    raise NetworkFailed(network_name(model, DENOISER), str(error)) from None

            count = min((bank.size.slots for bank in base.banks.values()), default=0)
            self._banks[model] = known = (base.banks, Slots(count, write))
        return known[1]


def _is_ready(network: str) -> bool:
    return bool(pb_utils.is_model_ready(model_name=network))


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
        style=_text("style", values.get("style", b"")),
        style_strength=float(values.get("style_strength", 0.0)),
        sampler=_text("sampler", values.get("sampler", b"")),
        spacing=_text("spacing", values.get("spacing", b"")),
    )


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise BadOrder(f"{name} is not valid UTF-8") from None


def _tensor(name: str, values: object, dtype: type[np.generic]) -> "pb_utils.Tensor":
    return pb_utils.Tensor(name, np.ascontiguousarray(values, dtype=dtype))


def _picture(painting: Painting, weights: str, runtime: str) -> "pb_utils.InferenceResponse":
    return pb_utils.InferenceResponse(
        [
            _tensor("image", painting.pixels, np.uint8),
            _tensor("timings", painting.timings, np.float32),
            pb_utils.Tensor("weights", np.array([weights.encode()], dtype=object)),
            pb_utils.Tensor("runtime", np.array([runtime.encode()], dtype=object)),
            pb_utils.Tensor("sampling", np.array([painting.sampling.encode()], dtype=object)),
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
