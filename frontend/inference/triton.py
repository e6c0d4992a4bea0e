"""The one place that speaks gRPC to a Triton."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.utils import InferenceServerException

from contract.inventory import BadInventory, Inventory, read_inventory
from contract.names import MODEL_CONTROL, TEXT_TO_IMAGE
from frontend.common.tracer import trace_headers
from frontend.domain.inference_error import InferenceError
from frontend.domain.picture import Picture, PictureOrder
from frontend.inference import tensors
from frontend.inference.errors import ServerFailed, refusal_error, request_error, stream_error

PROBE_TIMEOUT_S = 2.0
PULSE_TIMEOUT_S = 3.0
INVENTORY_TIMEOUT_S = 5.0  # it waits while a character loads
ASK_FOR_INVENTORY = {"key": b"", "action": b"inventory", "model": b""}
MAX_ANSWER_BYTES = 16 << 20  # bytes; a picture of 2048 x 2048 pixels has 12 MiB
MAX_REQUEST_BYTES = 1 << 20
# Without these a channel waits up to two minutes before it tries a Triton again that was started anew, and
# the one of `imgen up`, which comes up beside the API server, would be seen late.
RECONNECT_MS = (100, 250)

Progress = Callable[[float], Awaitable[None]]
Array = npt.NDArray[Any]


class Triton:
    """One server. Make it within the running event loop."""

    def __init__(
        self, url: str, timeout_s: float, tls: grpc.ChannelCredentials | None = None, proves: str = ""
    ) -> None:
        """`url`: host:port or unix:/PATH. `proves`: the name in its certificate, where it is another."""
        self.url = url
        self._timeout_s = timeout_s
        self._client = _client(url, tls, proves)

    async def draw(self, order: PictureOrder, on_progress: Progress) -> Picture:
        """Raises InferenceError, and what `on_progress` raises."""
        picture = None
        async with contextlib.aclosing(self._responses(order)) as responses:
            async for response in responses:
                if response.get_output("image") is not None:
                    picture = tensors.picture(response, order)
                else:
                    await on_progress(tensors.progress_share(response))
        if picture is None:
            raise ServerFailed(f"{self.url}: ended without a picture")
        return picture

    async def answer(
        self, model: str, inputs: Mapping[str, Array], outputs: Sequence[str]
    ) -> dict[str, Array]:
        """Raises InferenceError."""
        given = [tensors.tensor(name, array) for name, array in inputs.items()]
        wanted = [triton.InferRequestedOutput(name) for name in outputs]
        try:
            response = await self._client.infer(model, given, outputs=wanted)
            found = {name: response.as_numpy(name) for name in outputs}
        except InferenceServerException as error:
            raise request_error(self.url, error) from None
        except ValueError:
            raise InferenceError(
                f"{self.url}: {model} answers in another length than its shape says"
            ) from None
        if missing := [name for name, array in found.items() if array is None]:
            raise InferenceError(f"{self.url}: {model} answers without {missing[0]}")
        return found

    async def inventory(self) -> Inventory | None:
        """None where it does not tell."""
        inputs = {name: np.array([value], dtype=object) for name, value in ASK_FOR_INVENTORY.items()}
        try:
            async with asyncio.timeout(INVENTORY_TIMEOUT_S):
                found = await self.answer(MODEL_CONTROL, inputs, ["inventory"])
            return read_inventory(found["inventory"].reshape(-1)[0])
        except (InferenceError, TimeoutError, BadInventory):
            return None

    async def is_ready(self) -> bool:
        """Whether it takes orders."""
        try:
            return bool(await self._client.is_model_ready(TEXT_TO_IMAGE, client_timeout=PROBE_TIMEOUT_S))
        except InferenceServerException:
            return False

    async def has_pulse(self) -> bool:
        """Whether anything answers, ready or not. Asks for nothing that Triton would wait for."""
        try:
            return bool(await self._client.is_server_live(client_timeout=PULSE_TIMEOUT_S))
        except InferenceServerException:
            return False

    async def close(self) -> None:
        await self._client.close()

    async def _responses(self, order: PictureOrder) -> AsyncGenerator[triton.InferResult, None]:
        """What Triton answers to one order."""

        async def requests() -> AsyncIterator[dict[str, Any]]:
            yield {"model_name": TEXT_TO_IMAGE, "inputs": tensors.order_tensors(order)}

        refusal: InferenceError | None = None
        begun = False
        stream = self._client.stream_infer(
            requests(), stream_timeout=self._timeout_s, headers=trace_headers()
        )
        try:
            # Read to its end in any case: Triton keeps for ever what a stream that is cut off belonged to.
            async for response, error in stream:
                if error is not None:
                    refusal = refusal or refusal_error(self.url, error.message(), begun)
                elif refusal is None:
                    begun = True
                    yield response
        except grpc.RpcError as error:
            raise stream_error(self.url, error) from None
        finally:
            stream.cancel()  # of no effect on a stream that has ended
        if refusal is not None:
            raise refusal


def _client(url: str, tls: grpc.ChannelCredentials | None, proves: str) -> triton_aio.InferenceServerClient:
    options: list[tuple[str, int | str]] = [
        ("grpc.max_receive_message_length", MAX_ANSWER_BYTES),
        ("grpc.max_send_message_length", MAX_REQUEST_BYTES),
        ("grpc.initial_reconnect_backoff_ms", RECONNECT_MS[0]),
        ("grpc.min_reconnect_backoff_ms", RECONNECT_MS[0]),
        ("grpc.max_reconnect_backoff_ms", RECONNECT_MS[1]),
        ("grpc.enable_http_proxy", 0),
    ]
    if proves:
        options += [("grpc.ssl_target_name_override", proves)]
    creds = None if url.startswith("unix:") else tls
    return triton_aio.InferenceServerClient(url, creds=creds, channel_args=options)
