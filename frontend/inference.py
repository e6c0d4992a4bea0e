"""The one place that speaks gRPC to Triton."""

import asyncio
import contextlib
import enum
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from typing import Annotated, Any

import grpc
import msgspec
import numpy as np
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.utils import InferenceServerException

from frontend.picture import Picture, PictureOrder
from frontend.routing import Server, choose

MODEL = "text_to_image"
WEIGHTS = ("engine", "base", "lora")
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
PROBE_TIMEOUT_S = 2.0
MAX_ANSWER = 16 << 20  # bytes; a picture of 2048 x 2048 pixels has 12 MiB
MAX_REQUEST = 1 << 20
# Without these a channel waits up to two minutes before it tries a Triton again that was started anew.
RECONNECT_MS = (100, 2000)
# Errors within a stream have no code, and Triton 24.10 crashes now and then if asked for one (the header
# triton_grpc_error), so text_to_image begins its own with a word, and Triton's are known by their phrases.
ELSEWHERE = (
    "BUSY: ",
    "CANCELLED: ",  # not by us: the server is going down
    "Request for unknown model",  # text_to_image is not loaded there (yet)
    "is not ready",
)
DEAD = "is not healthy"  # a model's process has died; so until that Triton is started again
# gRPC's phrases for a connection that did not come about, so that nothing was sent. Any other break may be
# the order's own doing.
UNREACHED = (
    "failed to connect to all addresses",
    "connections to all backends failing",
    "errors resolving",
    "DNS resolution failed",
)
REFUSED = "REFUSED: "  # the order itself is at fault: no server will take it

Progress = Callable[[float], Awaitable[None]]


class Fault(enum.Enum):
    """What was to blame for there being no picture, and so what another try can change."""

    ORDER = enum.auto()  # no server will ever take it
    WORK = enum.auto()  # it was worked on in vain, and may have brought the server down
    SERVERS = enum.auto()  # nobody began with it: busy, out of reach, starting or going down


class InferenceError(Exception):
    """No picture. One line for logs, never for clients."""

    def __init__(self, message: str, fault: Fault = Fault.WORK) -> None:
        super().__init__(message)
        self.fault = fault


class _ServerFailed(InferenceError):
    """This server cannot take orders at the moment; another one can."""


class Inference:
    """Pictures from one or more Tritons, each given as host:port. Make it within the running event loop."""

    def __init__(self, urls: Sequence[str], *, timeout_s: float) -> None:
        if not urls:
            raise ValueError("no Triton given")
        self._servers = [Server(url) for url in urls]
        self._clients = {url: _client(url) for url in urls}
        self._timeout_s = timeout_s

    async def text_to_image(self, order: PictureOrder, on_progress: Progress) -> Picture:
        """`on_progress` is told rising shares of the work done, 0 to 1; what it raises ends the order.

        Cancelling this call cancels the order in Triton, at its next denoising step. Raises InferenceError.
        """
        character = f"{order.model}/{order.character}" if order.character else ""
        progress = _rising(on_progress)
        failures: dict[str, _ServerFailed] = {}  # by URL
        try:
            async with asyncio.timeout(self._timeout_s):
                while server := choose(self._servers, character, time.monotonic(), failures):
                    try:
                        return await self._ask(server, order, character, progress)
                    except _ServerFailed as error:
                        failures[server.url] = error
        except TimeoutError:
            raise InferenceError(f"no picture within {self._timeout_s:g} s") from None
        begun = any(error.fault is Fault.WORK for error in failures.values())
        raise InferenceError(
            f"no Triton takes orders: {'; '.join(map(str, failures.values()))}",
            Fault.WORK if begun else Fault.SERVERS,
        )

    async def ready(self) -> bool:
        """Whether at least one Triton takes orders."""
        return any(await asyncio.gather(*(self._is_ready(server.url) for server in self._servers)))

    async def close(self) -> None:
        await asyncio.gather(*(client.close() for client in self._clients.values()))

    async def _is_ready(self, url: str) -> bool:
        try:
            return bool(await self._clients[url].is_model_ready(MODEL, client_timeout=PROBE_TIMEOUT_S))
        except InferenceServerException:
            return False

    async def _ask(
        self, server: Server, order: PictureOrder, character: str, on_progress: Progress
    ) -> Picture:
        server.outstanding += 1
        try:
            picture = await self._stream(server.url, order, on_progress)
        except _ServerFailed:
            server.rest(time.monotonic())
            raise
        finally:
            server.outstanding -= 1
        server.served(character)
        return picture

    async def _stream(self, url: str, order: PictureOrder, on_progress: Progress) -> Picture:
        picture = None
        async with contextlib.aclosing(self._responses(url, order)) as responses:
            async for response in responses:
                if response.get_output("image") is not None:
                    picture = _picture(response, order)
                else:
                    await on_progress(_share(response))
        if picture is None:
            raise _ServerFailed(f"{url}: ended without a picture")
        return picture

    async def _responses(self, url: str, order: PictureOrder) -> AsyncGenerator[triton.InferResult, None]:
        """What Triton answers to one order; every call of Triton and every check of its errors is here."""

        async def requests() -> AsyncIterator[dict[str, Any]]:
            yield {"model_name": MODEL, "inputs": _inputs(order)}

        refusal: InferenceError | None = None
        begun = False
        stream = self._clients[url].stream_infer(requests(), stream_timeout=self._timeout_s)
        try:
            # Read to its end in any case: Triton keeps for ever what a stream that is cut off belonged to.
            async for response, error in stream:
                if error is not None:
                    refusal = refusal or _refusal(url, error.message(), begun)
                elif refusal is None:
                    begun = True
                    yield response
        except grpc.RpcError as error:
            raise _broken(url, error) from None
        finally:
            stream.cancel()  # of no effect on a stream that has ended
        if refusal is not None:
            raise refusal


def _client(url: str) -> triton_aio.InferenceServerClient:
    options = [
        ("grpc.max_receive_message_length", MAX_ANSWER),
        ("grpc.max_send_message_length", MAX_REQUEST),
        ("grpc.initial_reconnect_backoff_ms", RECONNECT_MS[0]),
        ("grpc.min_reconnect_backoff_ms", RECONNECT_MS[0]),
        ("grpc.max_reconnect_backoff_ms", RECONNECT_MS[1]),
        ("grpc.enable_http_proxy", 0),
    ]
    return triton_aio.InferenceServerClient(url, channel_args=options)


def _broken(url: str, error: grpc.RpcError) -> InferenceError:
    message = f"{url}: {error.code().name}: {_line(error.details())}"
    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:  # larger than MAX_ANSWER
        return InferenceError(message)
    unreached = any(phrase in message for phrase in UNREACHED)
    return _ServerFailed(message, Fault.SERVERS if unreached else Fault.WORK)


def _refusal(url: str, text: str, begun: bool) -> InferenceError:
    message = f"{url}: {_line(text)}"
    if DEAD in text:
        return _ServerFailed(message, Fault.WORK if begun else Fault.SERVERS)
    if any(phrase in text for phrase in ELSEWHERE):
        return _ServerFailed(message, Fault.SERVERS)
    return InferenceError(message, Fault.ORDER if text.startswith(REFUSED) else Fault.WORK)


def _line(text: str | None) -> str:
    return " ".join((text or "").split())[:500]


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
