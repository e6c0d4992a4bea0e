"""The one place that speaks gRPC to Triton."""

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

import grpc
import msgspec
import numpy as np
import numpy.typing as npt
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.utils import InferenceServerException

from contract.inventory import BadInventory, Inventory, read_inventory
from contract.names import MODEL_CONTROL, TEXT_TO_IMAGE
from frontend.domain.inference_error import FailureScope, InferenceError
from frontend.domain.picture import Picture, PictureOrder
from frontend.inference.errors import ServerFailed, refusal_error, request_error, stream_error
from frontend.inference.routing import TritonServer, choose

__all__ = ["FailureScope", "Inference", "InferenceError"]

WEIGHTS = ("engine", "base", "lora")
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
PROBE_TIMEOUT_S = 2.0
INVENTORY_TIMEOUT_S = 5.0  # it waits while a character loads
ASK_FOR_INVENTORY = {"key": b"", "action": b"inventory", "model": b""}
MAX_ANSWER_BYTES = 16 << 20  # bytes; a picture of 2048 x 2048 pixels has 12 MiB
MAX_REQUEST_BYTES = 1 << 20
# Without these a channel waits up to two minutes before it tries a Triton again that was started anew.
RECONNECT_MS = (100, 2000)

Progress = Callable[[float], Awaitable[None]]
Array = npt.NDArray[Any]
T = TypeVar("T")


class Inference:
    """Pictures, and answers of other models, from one or more Tritons, each given as host:port or unix:/PATH.

    Make it within the running event loop. `tls`: for those beyond Unix sockets; None: plain text.
    """

    def __init__(
        self, urls: Sequence[str], *, timeout_s: float, tls: grpc.ChannelCredentials | None = None
    ) -> None:
        if not urls:
            raise ValueError("no Triton given")
        # For each model, because a server that cannot run one may well run another.
        self._servers: dict[str, list[TritonServer]] = defaultdict(
            lambda: [TritonServer(url) for url in urls]
        )
        self._clients = {url: _client(url, tls) for url in urls}
        self._timeout_s = timeout_s

    async def text_to_image(self, order: PictureOrder, on_progress: Progress) -> Picture:
        """`on_progress` is told rising shares of the work done, 0 to 1; what it raises ends the order.

        Cancelling this call cancels the order in Triton, at its next denoising step. Raises InferenceError.
        """
        progress = _rising(on_progress)
        character = f"{order.model}/{order.character}" if order.character else ""

        async def draw(url: str) -> Picture:
            return await self._stream(url, order, progress)

        return await self._ask_any(TEXT_TO_IMAGE, draw, self._timeout_s, character)

    async def infer(
        self, model: str, inputs: Mapping[str, Array], outputs: Sequence[str], *, timeout_s: float
    ) -> dict[str, Array]:
        """One request with one answer, which any server may be asked for again. Bytes are of dtype object.

        Raises InferenceError.
        """

        async def ask(url: str) -> dict[str, Array]:
            return await self._answer(url, model, inputs, outputs)

        return await self._ask_any(model, ask, timeout_s)

    async def ready(self) -> bool:
        """Whether at least one Triton takes orders."""
        return any(await asyncio.gather(*map(self._is_ready, self._clients)))

    async def inventories(self) -> list[Inventory | None]:
        """What each Triton can draw with; None of one that does not tell."""
        return await asyncio.gather(*map(self._inventory, self._clients))

    async def _inventory(self, url: str) -> Inventory | None:
        inputs = {name: np.array([value], dtype=object) for name, value in ASK_FOR_INVENTORY.items()}
        try:
            async with asyncio.timeout(INVENTORY_TIMEOUT_S):
                found = await self._answer(url, MODEL_CONTROL, inputs, ["inventory"])
            return read_inventory(found["inventory"].reshape(-1)[0])
        except (InferenceError, TimeoutError, BadInventory):
            return None

    async def close(self) -> None:
        await asyncio.gather(*(client.close() for client in self._clients.values()))

    async def _is_ready(self, url: str) -> bool:
        try:
            return bool(
                await self._clients[url].is_model_ready(TEXT_TO_IMAGE, client_timeout=PROBE_TIMEOUT_S)
            )
        except InferenceServerException:
            return False

    async def _ask_any(
        self, model: str, ask: Callable[[str], Awaitable[T]], timeout_s: float, character: str = ""
    ) -> T:
        """What `ask` makes of the first server (it is given the URL) that does not fail."""
        servers, failures = self._servers[model], dict[str, ServerFailed]()
        server: TritonServer | None = None
        try:
            async with asyncio.timeout(timeout_s):
                while server := choose(servers, character, time.monotonic(), failures):
                    try:
                        return await _ask_counted(server, ask, character)
                    except ServerFailed as error:
                        failures[server.url] = error
        except TimeoutError:
            if server is not None:
                server.rest(time.monotonic())
            raise InferenceError(f"no answer of {model} within {timeout_s:g} s") from None
        begun = any(error.scope is FailureScope.WORK for error in failures.values())
        raise InferenceError(
            f"no Triton takes orders: {'; '.join(map(str, failures.values()))}",
            FailureScope.WORK if begun else FailureScope.SERVERS,
        )

    async def _answer(
        self, url: str, model: str, inputs: Mapping[str, Array], outputs: Sequence[str]
    ) -> dict[str, Array]:
        tensors = [_input(name, array) for name, array in inputs.items()]
        wanted = [triton.InferRequestedOutput(name) for name in outputs]
        try:
            response = await self._clients[url].infer(model, tensors, outputs=wanted)
            found = {name: response.as_numpy(name) for name in outputs}
        except InferenceServerException as error:
            raise request_error(url, error) from None
        except ValueError:
            raise InferenceError(f"{url}: {model} answers in another length than its shape says") from None
        if missing := [name for name, array in found.items() if array is None]:
            raise InferenceError(f"{url}: {model} answers without {missing[0]}")
        return found

    async def _stream(self, url: str, order: PictureOrder, on_progress: Progress) -> Picture:
        picture = None
        async with contextlib.aclosing(self._responses(url, order)) as responses:
            async for response in responses:
                if response.get_output("image") is not None:
                    picture = _picture(response, order)
                else:
                    await on_progress(_share(response))
        if picture is None:
            raise ServerFailed(f"{url}: ended without a picture")
        return picture

    async def _responses(self, url: str, order: PictureOrder) -> AsyncGenerator[triton.InferResult, None]:
        """What Triton answers to one order."""

        async def requests() -> AsyncIterator[dict[str, Any]]:
            yield {"model_name": TEXT_TO_IMAGE, "inputs": _inputs(order)}

        refusal: InferenceError | None = None
        begun = False
        stream = self._clients[url].stream_infer(requests(), stream_timeout=self._timeout_s)
        try:
            # Read to its end in any case: Triton keeps for ever what a stream that is cut off belonged to.
            async for response, error in stream:
                if error is not None:
                    refusal = refusal or refusal_error(url, error.message(), begun)
                elif refusal is None:
                    begun = True
                    yield response
        except grpc.RpcError as error:
            raise stream_error(url, error) from None
        finally:
            stream.cancel()  # of no effect on a stream that has ended
        if refusal is not None:
            raise refusal


async def _ask_counted(server: TritonServer, ask: Callable[[str], Awaitable[T]], character: str) -> T:
    server.outstanding += 1
    try:
        answer = await ask(server.url)
    except ServerFailed:
        server.rest(time.monotonic())
        raise
    finally:
        server.outstanding -= 1
    server.record_served(character)
    return answer


def _client(url: str, tls: grpc.ChannelCredentials | None) -> triton_aio.InferenceServerClient:
    options = [
        ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
        ("grpc.max_send_message_length", MAX_REQUEST_BYTES),
        ("grpc.initial_reconnect_backoff_ms", RECONNECT_MS[0]),
        ("grpc.min_reconnect_backoff_ms", RECONNECT_MS[0]),
        ("grpc.max_reconnect_backoff_ms", RECONNECT_MS[1]),
        ("grpc.enable_http_proxy", 0),
    ]
    creds = None if url.startswith("unix:") else tls
    return triton_aio.InferenceServerClient(url, creds=creds, channel_args=options)


def _rising(on_progress: Progress) -> Progress:
    """An order that starts again on another server must not be seen to fall back."""
    best = 0.0

    async def forward(share: float) -> None:
        nonlocal best
        if share > best:
            best = share
            await on_progress(share)

    return forward


def _inputs(order: PictureOrder) -> list[triton.InferInput]:
    texts = [(name, getattr(order, name).encode()) for name in ("prompt", "negative", "model", "character")]
    arrays = {name: np.array([text], dtype=object) for name, text in texts}
    arrays |= {name: np.array([getattr(order, name)], np.int32) for name in ("width", "height", "steps")}
    arrays["guidance"] = np.array([order.guidance], np.float32)
    arrays["seed"] = np.array([order.seed], np.int64)
    return [_input(name, array) for name, array in arrays.items()]


def _input(name: str, array: "np.ndarray[Any, Any]") -> triton.InferInput:
    kinds = {"O": "BYTES", "i4": "INT32", "i8": "INT64", "f4": "FP32"}
    kind = kinds["O" if array.dtype.kind == "O" else array.dtype.str[1:]]
    tensor = triton.InferInput(name, list(array.shape), kind)
    tensor.set_data_from_numpy(array)
    return tensor


def _share(response: triton.InferResult) -> float:
    share = response.as_numpy("progress")
    if share is None or share.shape != (1,):
        return 0.0
    return min(max(float(share[0]), 0.0), 1.0)


def _picture(response: triton.InferResult, order: PictureOrder) -> Picture:
    try:
        pixels, timings = response.as_numpy("image"), response.as_numpy("timings")
    except ValueError:
        raise InferenceError("Triton's picture has another length than its shape says") from None
    if pixels.dtype != np.uint8 or pixels.shape != (order.height, order.width, 3):
        raise InferenceError(f"Triton made {pixels.dtype} {list(pixels.shape)}")
    names = ("encode", "denoise", "decode")
    if timings is None or timings.shape != (len(names),):
        raise InferenceError("Triton sent no timings")
    spent = {name: float(value) for name, value in zip(names, timings, strict=True)}
    return Picture(pixels, spent, _weights(response.as_numpy("weights")))


def _weights(told: "np.ndarray[Any, Any] | None") -> dict[str, str]:
    """Hashes by role; a Triton model of another origin than our export tells none."""
    try:
        hashes = msgspec.json.decode(told.reshape(-1)[0], type=dict[str, Sha256]) if told is not None else {}
    except msgspec.MsgspecError:
        raise InferenceError("Triton tells of weights in other words than hashes") from None
    return {role: hashes[role] for role in WEIGHTS if role in hashes}
