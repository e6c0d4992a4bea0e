"""The client of Triton against servers that speak its protocol and answer as a test wants."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
import numpy as np
import pytest
from prometheus_client import REGISTRY
from tritonclient.grpc import service_pb2, service_pb2_grpc

from embedded.part import free_port
from frontend.domain.inference_error import FailureScope, InferenceError
from frontend.inference.client import Inference
from frontend.inference.routing import rendezvous
from tests.orders import ignore, order

Responses = AsyncIterator[Any]
Answer = Callable[[Any, Any], Responses]  # request and gRPC context to responses
Once = Callable[[Any, Any], Awaitable[Any]]

ORDER = order("a red kite — ✓", character="aya", width=16, height=8)
PIXELS = np.arange(8 * 16 * 3, dtype=np.uint8).reshape(8, 16, 3)


@dataclass
class FakeTriton(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """A Triton that is a function."""

    answer: Answer
    once: "Once | None" = None  # answers requests that have one answer
    url: str = ""
    hung: bool = False
    requests: list[Any] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def ModelStreamInfer(self, requests: AsyncIterator[Any], context: Any) -> Responses:  # noqa: N802
        try:
            async for request in requests:
                self.requests.append(request)
                async for response in self.answer(request, context):
                    yield response
        finally:
            self.ended.set()

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.requests.append(request)
        assert self.once is not None
        return await self.once(request, context)

    async def ServerLive(self, request: Any, context: Any) -> Any:  # noqa: N802
        if self.hung:
            await asyncio.Event().wait()
        return service_pb2.ServerLiveResponse(live=True)

    async def ModelReady(self, request: Any, context: Any) -> Any:  # noqa: N802
        return service_pb2.ModelReadyResponse(ready=request.name == "text_to_image")


@contextlib.asynccontextmanager
async def serving(*answers: Answer, once: tuple[Once, ...] = ()) -> AsyncIterator[list[FakeTriton]]:
    fakes = [FakeTriton(answer) for answer in answers] + [FakeTriton(says(), answer) for answer in once]
    servers = []
    try:
        for fake in fakes:
            server = grpc.aio.server()
            service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(fake, server)
            fake.url = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
            await server.start()
            servers.append(server)
        yield fakes
    finally:
        for server in servers:
            await server.stop(None)


@contextlib.asynccontextmanager
async def client(*urls: str, timeout_s: float = 10.0) -> AsyncIterator[Inference]:
    inference = Inference(urls, timeout_s=timeout_s)
    yield inference
    await inference.close()


def response(**arrays: "np.ndarray[Any, Any]") -> Any:
    made = service_pb2.ModelInferResponse(model_name="text_to_image")
    kinds = {"uint8": "UINT8", "float32": "FP32", "float64": "FP64"}
    for name, array in arrays.items():
        made.outputs.add(name=name, datatype=kinds[array.dtype.name], shape=list(array.shape))
        made.raw_output_contents.append(array.tobytes())
    return service_pb2.ModelStreamInferResponse(infer_response=made)


def progress(share: float) -> Any:
    return response(progress=np.array([share], np.float32))


def picture(pixels: "np.ndarray[Any, Any]" = PIXELS, **texts: bytes) -> Any:
    made = response(image=pixels, timings=np.array([1.0, 20.0, 3.0], np.float32))
    for name, text in texts.items():
        made.infer_response.outputs.add(name=name, datatype="BYTES", shape=[1])
        made.infer_response.raw_output_contents.append(len(text).to_bytes(4, "little") + text)
    return made


def says(*responses: Any) -> Answer:
    async def answer(request: Any, context: Any) -> Responses:
        for made in responses:
            yield made

    return answer


def refuses(message: str) -> Answer:
    return says(service_pb2.ModelStreamInferResponse(error_message=message))


async def breaks_off(request: Any, context: Any) -> Responses:
    yield progress(0.5)
    await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")


async def never_ends(request: Any, context: Any) -> Responses:
    yield progress(0.1)
    await asyncio.Event().wait()


def in_turn(fakes: list[FakeTriton], *answers: Answer) -> tuple[FakeTriton, ...]:
    """Has the Triton that ORDER falls to give the first answer, and so on."""
    key = f"{ORDER.model}/{ORDER.character}"
    ordered = sorted(fakes, key=lambda fake: rendezvous(key, fake.url), reverse=True)
    for fake, answer in zip(ordered, answers, strict=True):
        fake.answer = answer
    return tuple(ordered)


async def ask(inference: Inference, on_progress: Callable[[float], Awaitable[None]] = ignore) -> Any:
    return await inference.text_to_image(ORDER, on_progress)


async def test_an_order_crosses_intact_and_comes_back_as_a_picture() -> None:
    async with serving(says(progress(0.5), picture())) as (fake,), client(fake.url) as inference:
        made = await ask(inference)
    assert np.array_equal(made.pixels, PIXELS)
    assert made.timings_ms == {"encode": 1.0, "denoise": 20.0, "decode": 3.0}
    (request,) = fake.requests
    raw = dict(zip((item.name for item in request.inputs), request.raw_input_contents, strict=True))
    assert raw["prompt"][4:].decode() == "a red kite — ✓" and raw["character"][4:] == b"aya"
    assert np.frombuffer(raw["width"], np.int32).tolist() == [16]
    assert np.frombuffer(raw["seed"], np.int64).tolist() == [7]
    assert np.frombuffer(raw["guidance"], np.float32).tolist() == [3.0]


async def test_a_styles_lora_crosses_with_its_strength_and_none_is_no_input_at_all() -> None:
    styled = replace(ORDER, style="ink", style_strength=-0.5)
    async with serving(says(picture())) as (fake,), client(fake.url) as inference:
        for order in (ORDER, styled):
            await inference.text_to_image(order, ignore)
    plain, inked = (
        dict(zip((item.name for item in request.inputs), request.raw_input_contents, strict=True))
        for request in fake.requests
    )
    assert not {"style", "style_strength"} & set(plain)
    assert inked["style"][4:] == b"ink"
    assert np.frombuffer(inked["style_strength"], np.float32).tolist() == [-0.5]


async def test_progress_only_rises_and_stays_between_0_and_1() -> None:
    shares: list[float] = []

    async def note(share: float) -> None:
        shares.append(share)

    told = [progress(share) for share in (0.25, 0.5, 0.375, 7.0, float("nan"))]
    async with serving(says(*told, picture())) as (fake,), client(fake.url) as inference:
        await ask(inference, note)
    assert shares == [0.25, 0.5, 1.0]


async def test_an_order_goes_elsewhere_when_a_server_cannot_be_reached() -> None:
    async with serving(says(picture())) as (fake,):
        async with client(f"127.0.0.1:{free_port()}", fake.url) as inference:
            for _ in range(3):
                assert (await ask(inference)).pixels.shape == PIXELS.shape
    assert len(fake.requests) == 3


@pytest.mark.parametrize(
    "broken",
    [
        breaks_off,
        says(progress(0.5)),
        refuses("Request for unknown model: 'text_to_image' is not found"),
        refuses("FAILED: eros-denoiser: Stub process 'eros-denoiser_0_0' is not healthy."),
        refuses("BUSY: 64 orders are being worked on"),
    ],
    ids=["breaks off", "ends early", "not loaded", "dead stub", "busy"],
)
async def test_an_order_goes_elsewhere_when_a_server_fails(broken: Answer) -> None:
    async with serving(broken, broken) as fakes:
        bad, good = in_turn(fakes, broken, says(picture()))
        async with client(*(fake.url for fake in fakes)) as inference:
            for _ in range(3):
                assert (await ask(inference)).pixels.shape == PIXELS.shape
    assert len(good.requests) == 3
    assert len(bad.requests) == 1  # then it rests


async def test_when_all_servers_fail_the_error_names_each() -> None:
    async with serving(breaks_off, refuses("BUSY: full")) as (one, two):
        async with client(one.url, two.url) as inference:
            with pytest.raises(InferenceError, match=r"(?=.*UNAVAILABLE: Socket closed)(?=.*BUSY: full)"):
                await ask(inference)
    assert len(one.requests) == len(two.requests) == 1


def after_a_step(message: str) -> Answer:
    return says(progress(0.5), service_pb2.ModelStreamInferResponse(error_message=message))


NO_NUMBERS = "NO NUMBERS: eros-denoiser: next_latents is not a number (by openvino 2026.4.1 bf16)"
DEAD_STUB = "FAILED: eros-denoiser: Stub process 'eros-denoiser_0_0' is not healthy."


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (refuses("REFUSED: unknown model"), FailureScope.ORDER),
        (refuses("FAILED: eros-decoder: out of memory"), FailureScope.WORK),
        (refuses(NO_NUMBERS), FailureScope.ORDER),
        (refuses("some new error of Triton"), FailureScope.WORK),
        (breaks_off, FailureScope.WORK),
        (says(progress(0.5)), FailureScope.WORK),
        (after_a_step(DEAD_STUB), FailureScope.WORK),
        (refuses(DEAD_STUB), FailureScope.SERVERS),
        (refuses("BUSY: 64 orders are being worked on"), FailureScope.SERVERS),
        (after_a_step("CANCELLED: cancelled"), FailureScope.SERVERS),
        (refuses("Request for unknown model: 'text_to_image' is not found"), FailureScope.SERVERS),
    ],
)
async def test_fault_is_the_servers_only_where_nobody_worked_on_the_order(
    answer: Answer, fault: FailureScope
) -> None:
    async with serving(answer) as (fake,), client(fake.url) as inference:
        with pytest.raises(InferenceError) as caught:
            await ask(inference)
    assert caught.value.scope is fault


@pytest.mark.parametrize("url", [f"127.0.0.1:{free_port()}", "no-such-host.invalid:8001"])
async def test_servers_out_of_reach_are_not_the_orders_fault(url: str) -> None:
    async with client(url) as inference:
        with pytest.raises(InferenceError) as caught:
            await ask(inference)
    assert caught.value.scope is FailureScope.SERVERS


async def test_an_order_at_fault_is_not_tried_elsewhere() -> None:
    refusal = refuses("REFUSED: unknown model\n eros")
    async with serving(refusal, refusal) as fakes, client(*(fake.url for fake in fakes)) as inference:
        with pytest.raises(InferenceError, match="REFUSED: unknown model eros"):
            await ask(inference)
    assert sum(len(fake.requests) for fake in fakes) == 1


async def test_an_order_that_brings_servers_down_brings_down_two() -> None:
    async with serving(*[breaks_off] * 3) as fakes, client(*(fake.url for fake in fakes)) as inference:
        with pytest.raises(InferenceError) as caught:
            await ask(inference)
    assert caught.value.scope is FailureScope.WORK
    assert sum(len(fake.requests) for fake in fakes) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        picture(PIXELS[:, :15]),
        picture(PIXELS[:, :, 0]),
        picture(PIXELS.astype(np.float32)),
        response(image=PIXELS),
        response(image=PIXELS, timings=np.array([1.0], np.float32)),
        picture(np.zeros((2048, 4096, 3), np.uint8)),
        picture(weights=b'{"engine": "not a hash"}'),
        picture(runtime=b"two\nlines"),
        picture(runtime=b"x" * 401),
        picture(sampling=b"euler leading twice"),
    ],
    ids=[
        "narrower",
        "grey",
        "floats",
        "no timings",
        "few timings",
        "too large",
        "no hash",
        "odd",
        "long",
        "words",
    ],
)
async def test_what_is_no_picture_of_the_order_is_refused(wrong: Any) -> None:
    async with serving(says(wrong)) as (fake,), client(fake.url) as inference:
        with pytest.raises(InferenceError) as caught:
            await ask(inference)
    assert caught.value.scope is FailureScope.WORK


async def test_a_picture_names_the_weights_that_drew_it() -> None:
    told = b'{"engine": "%s", "lora": "%s", "other": "%s"}' % (b"e" * 64, b"1" * 64, b"0" * 64)
    async with serving(says(picture(weights=told))) as (fake,), client(fake.url) as inference:
        assert (await ask(inference)).weights == {"engine": "e" * 64, "lora": "1" * 64}
    styled = {"base": "e" * 64, "style_lora": "2" * 64, "style_lora_strength": "-0.5"}
    made = picture(weights=json.dumps(styled).encode())
    async with serving(says(made)) as (fake,), client(fake.url) as inference:
        assert (await ask(inference)).weights == styled


async def test_a_picture_names_what_ran_the_networks_where_triton_tells_it() -> None:
    made = picture(runtime=b"openvino 2026.4.1 bf16, onnxruntime 1.32.0 f32")
    async with serving(says(made)) as (fake,), client(fake.url) as inference:
        assert (await ask(inference)).runtime == "openvino 2026.4.1 bf16, onnxruntime 1.32.0 f32"
    async with serving(says(picture())) as (fake,), client(fake.url) as inference:
        assert (await ask(inference)).runtime == ""


@pytest.mark.parametrize("told", ["dpmpp_2m karras", "lcm", ""])
async def test_a_picture_names_its_sampler_and_spacing_where_triton_tells_it(told: str) -> None:
    made = picture(sampling=told.encode()) if told else picture()
    async with serving(says(made)) as (fake,), client(fake.url) as inference:
        assert (await ask(inference)).sampling == told


async def test_an_order_that_makes_no_numbers_is_counted_by_what_computed_it() -> None:
    def counted() -> float:
        labels = {"network": "eros-denoiser", "runtime": "openvino 2026.4.1 bf16"}
        return REGISTRY.get_sample_value("imgen_networks_made_no_numbers_total", labels) or 0.0

    before = counted()
    async with serving(refuses(NO_NUMBERS)) as (fake,), client(fake.url) as inference:
        with pytest.raises(InferenceError, match="is not a number"):
            await ask(inference)
    assert counted() == before + 1 and len(fake.requests) == 1


async def test_a_picture_shorter_than_its_shape_is_refused() -> None:
    wrong = picture()
    wrong.infer_response.raw_output_contents[0] = b"short"
    async with serving(says(wrong)) as (fake,), client(fake.url) as inference:
        with pytest.raises(InferenceError, match="length"):
            await ask(inference)


async def test_cancelling_the_call_cancels_the_order_in_triton() -> None:
    started = asyncio.Event()

    async def note(share: float) -> None:
        started.set()

    async with serving(never_ends) as (fake,), client(fake.url) as inference:
        task = asyncio.create_task(ask(inference, note))
        await started.wait()
        assert not fake.ended.is_set()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(fake.ended.wait(), 5)


async def test_an_error_of_whoever_follows_the_progress_ends_the_order() -> None:
    async def fail(share: float) -> None:
        raise RuntimeError("the record is gone")

    async with serving(never_ends) as (fake,), client(fake.url) as inference:
        with pytest.raises(RuntimeError, match="the record is gone"):
            await ask(inference, fail)
        await asyncio.wait_for(fake.ended.wait(), 5)


async def test_an_order_takes_no_longer_than_it_may() -> None:
    async with serving(never_ends) as (fake,), client(fake.url, timeout_s=0.3) as inference:
        with pytest.raises(InferenceError, match=r"no answer of text_to_image within 0\.3 s") as caught:
            await ask(inference)
        await asyncio.wait_for(fake.ended.wait(), 5)
    assert caught.value.scope is FailureScope.WORK


async def test_orders_for_a_character_go_where_it_is_loaded() -> None:
    async with serving(says(picture()), says(picture())) as (one, two):
        async with client(one.url, two.url) as inference:
            for _ in range(4):
                await ask(inference)
    assert sorted([len(one.requests), len(two.requests)]) == [0, 4]


async def test_orders_at_once_are_spread() -> None:
    gate = asyncio.Event()

    async def waits(request: Any, context: Any) -> Responses:
        await gate.wait()
        yield picture()

    async with serving(waits, waits) as fakes, client(*(fake.url for fake in fakes)) as inference:
        plain = replace(ORDER, character="")
        tasks = [asyncio.create_task(inference.text_to_image(plain, ignore)) for _ in range(6)]
        async with asyncio.timeout(5):
            while sum(len(fake.requests) for fake in fakes) < 6:
                await asyncio.sleep(0.01)
        gate.set()
        await asyncio.gather(*tasks)
    assert [len(fake.requests) for fake in fakes] == [3, 3]


async def test_readiness_needs_one_server() -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    async with serving(says()) as (fake,), client(nowhere, fake.url) as inference:
        assert await inference.ready()
    async with client(nowhere) as inference:
        assert not await inference.ready()


def tells(made: Any) -> Once:
    async def answer(request: Any, context: Any) -> Any:
        return made

    return answer


def fails(code: grpc.StatusCode, words: str) -> Once:
    async def answer(request: Any, context: Any) -> Any:
        await context.abort(code, words)

    return answer


async def hangs(request: Any, context: Any) -> Any:
    await asyncio.Event().wait()


@dataclass
class AtFirst:
    """Gives `answer` to the first request of all, and ANSWER to the others."""

    answer: Once
    asked: bool = False

    async def __call__(self, request: Any, context: Any) -> Any:
        if self.asked:
            return ANSWER
        self.asked = True
        return await self.answer(request, context)


VECTOR = np.arange(4, dtype=np.float32).reshape(1, 4)
ANSWER = response(embedding=VECTOR).infer_response


async def infer(inference: Inference, timeout_s: float = 10.0) -> "np.ndarray[Any, Any]":
    texts = {"text": np.array([["é".encode()]], dtype=object)}
    return (await inference.infer("prompt-encoder", texts, ("embedding",), timeout_s=timeout_s))["embedding"]


async def test_a_request_with_one_answer_crosses_intact() -> None:
    async with serving(once=(tells(ANSWER),)) as (fake,), client(fake.url) as inference:
        assert np.array_equal(await infer(inference), VECTOR)
    (request,) = fake.requests
    assert request.model_name == "prompt-encoder" and request.raw_input_contents == [b"\2\0\0\0\xc3\xa9"]
    assert [(item.name, item.datatype, list(item.shape)) for item in request.inputs] == [
        ("text", "BYTES", [1, 1])
    ]


@pytest.mark.parametrize(
    "broken",
    [
        fails(grpc.StatusCode.NOT_FOUND, "Request for unknown model: 'prompt-encoder' is not found"),
        fails(grpc.StatusCode.UNAVAILABLE, "Exceeds maximum queue size"),
        fails(grpc.StatusCode.INTERNAL, "Stub process 'prompt-encoder_0_0' is not healthy."),
    ],
    ids=["not loaded", "full", "dead stub"],
)
async def test_a_request_with_one_answer_goes_elsewhere_when_a_server_fails(broken: Once) -> None:
    first = AtFirst(broken)
    async with serving(once=(first, first)) as fakes, client(*(fake.url for fake in fakes)) as inference:
        for _ in range(3):
            assert np.array_equal(await infer(inference), VECTOR)
    assert sorted(len(fake.requests) for fake in fakes) == [1, 3]  # then the first one rests


async def test_a_server_that_hangs_rests_too() -> None:
    first = AtFirst(hangs)
    async with serving(once=(first, first)) as fakes, client(*(fake.url for fake in fakes)) as inference:
        with pytest.raises(InferenceError, match=r"no answer of prompt-encoder within 0\.2 s"):
            await infer(inference, 0.2)
        assert np.array_equal(await infer(inference), VECTOR)
    assert [len(fake.requests) for fake in fakes] == [1, 1]


async def test_a_request_at_fault_is_not_sent_elsewhere() -> None:
    refusal = fails(grpc.StatusCode.INVALID_ARGUMENT, "text is not\nvalid UTF-8")
    async with serving(once=(refusal, refusal)) as fakes, client(*(fake.url for fake in fakes)) as inference:
        with pytest.raises(InferenceError, match="text is not valid UTF-8") as caught:
            await infer(inference)
    assert caught.value.scope is FailureScope.ORDER
    assert sum(len(fake.requests) for fake in fakes) == 1


async def test_a_server_whose_encoder_failed_still_draws() -> None:
    broken = fails(grpc.StatusCode.INTERNAL, "Stub process 'prompt-encoder_0_0' is not healthy.")
    async with serving(*[says(picture())] * 2) as fakes:
        first, _ = in_turn(fakes, *[says(picture())] * 2)
        for fake in fakes:
            fake.once = broken
        async with client(*(fake.url for fake in fakes)) as inference:
            with pytest.raises(InferenceError, match="not healthy"):
                await infer(inference)
            first.requests.clear()
            await ask(inference)
    assert len(first.requests) == 1  # the picture went where it would have gone


@pytest.mark.parametrize("cut", [b"short", None], ids=["short", "without the output"])
async def test_an_answer_that_is_none_is_refused(cut: bytes | None) -> None:
    wrong = response(**{"embedding" if cut else "other": VECTOR}).infer_response
    if cut:
        wrong.raw_output_contents[0] = cut
    async with serving(once=(tells(wrong),)) as (fake,), client(fake.url) as inference:
        with pytest.raises(InferenceError, match="prompt-encoder answers"):
            await infer(inference)


def test_no_triton_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no Triton"):
        Inference([], timeout_s=1)
