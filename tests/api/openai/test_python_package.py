"""The `openai` package of PyPI as programs use it."""

import asyncio
import base64
import hashlib
import io
from typing import Any

import openai
import pytest
from aiohttp import web
from openai import AsyncOpenAI, OpenAI
from PIL import Image

from tests.api.harness import Api
from tests.fakes import SAFE, UNSAFE

LAKE = "a lake, in the morning"


def opened(b64_json: str | None) -> Any:
    assert b64_json
    return Image.open(io.BytesIO(base64.b64decode(b64_json)))


async def test_models_are_listed_and_found_by_name(asking: AsyncOpenAI) -> None:
    listed = [model async for model in asking.models.list()]
    assert listed[0].id == "eros" and listed[0].object == "model"
    assert await asking.models.retrieve("eros") == listed[0]
    with pytest.raises(openai.NotFoundError) as missing:
        await asking.models.retrieve("dall-e-3")
    assert (missing.value.code, missing.value.param) == ("model_not_found", "model")


async def test_picture_comes_as_a_link(client: AsyncOpenAI, server: Api) -> None:
    answer = await client.images.generate(prompt=LAKE, size="1024x1024")
    assert answer.data and answer.data[0].url and answer.data[0].b64_json is None
    assert answer.data[0].revised_prompt == LAKE
    assert (answer.size, answer.output_format) == ("1024x1024", "png")
    async with server.http.get(answer.data[0].url) as picture:
        assert picture.content_type == "image/png"
        assert hashlib.sha256(await picture.read()).hexdigest() == server.acs.reviews[0]["sha256"]


async def test_picture_comes_as_base64_of_the_bytes_that_were_reviewed(
    client: AsyncOpenAI, server: Api
) -> None:
    answer = await client.images.generate(
        prompt=LAKE, response_format="b64_json", output_format="webp", output_compression=60
    )
    assert answer.data and answer.data[0].url is None
    picture = base64.b64decode(answer.data[0].b64_json or "")
    assert [hashlib.sha256(picture).hexdigest()] == [each["sha256"] for each in server.acs.reviews]
    assert opened(answer.data[0].b64_json).format == "WEBP"
    assert (server.triton.orders[0].width, server.triton.orders[0].height) == (1344, 768)


async def test_program_for_gpt_image_runs_as_it_is(client: AsyncOpenAI) -> None:
    """It never asks for base64, and names a model that is not here."""
    answer = await client.images.generate(
        model="gpt-image-1",
        prompt=LAKE,
        size="1536x1024",
        quality="high",
        background="opaque",
        moderation="low",
        user="someone",
    )
    assert answer.data and opened(answer.data[0].b64_json).size == (1216, 832)
    assert answer.model_dump()["model"] == "eros" and answer.size == "1216x832"


async def test_pictures_have_seeds_one_after_the_other(client: AsyncOpenAI, server: Api) -> None:
    answer = await client.images.generate(prompt=LAKE, n=3, extra_body={"seed": 41})
    assert answer.data and len({each.url for each in answer.data}) == 3
    assert sorted(order.seed for order in server.triton.orders) == [41, 42, 43]


async def test_of_several_pictures_the_safe_ones_are_answered(client: AsyncOpenAI, server: Api) -> None:
    verdicts = [UNSAFE, SAFE, UNSAFE]

    async def answer(verdict: dict[str, object]) -> Any:
        return web.json_response({**verdicts.pop(), "sha256": verdict["sha256"]})

    server.acs.answer = answer
    found = await client.images.generate(prompt=LAKE, n=3)
    assert found.data and len(found.data) == 1
    missing = "One picture of 3 was left out: Content blocked — flagged for: Weapons, Gore."
    assert found.model_dump()["notes"] == [missing, missing]


async def test_blocked_picture_is_an_error_with_openais_code_and_no_link(
    client: AsyncOpenAI, server: Api
) -> None:
    server.acs.verdict = UNSAFE
    with pytest.raises(openai.BadRequestError) as blocked:
        await client.images.generate(prompt=LAKE, n=2)
    assert blocked.value.body == {
        "message": "Content blocked — flagged for: Weapons, Gore.",
        "type": "image_generation_user_error",
        "param": None,
        "code": "moderation_blocked",
    }


async def test_stream_tells_each_safe_picture_and_nothing_before_it(client: AsyncOpenAI, server: Api) -> None:
    stream = await client.images.generate(prompt=LAKE, n=2, stream=True, partial_images=3)
    events = [event async for event in stream]
    assert [event.type for event in events] == ["image_generation.completed"] * 2
    got = {hashlib.sha256(base64.b64decode(event.b64_json)).hexdigest() for event in events}
    assert got == {each["sha256"] for each in server.acs.reviews} and len(got) == 2
    first = events[0]
    assert first.type == "image_generation.completed" and first.usage.total_tokens == 0
    assert (first.size, first.output_format, first.background) == ("1344x768", "png", "opaque")


async def test_stream_of_blocked_pictures_ends_with_openais_error(client: AsyncOpenAI, server: Api) -> None:
    server.acs.verdict = UNSAFE
    stream = await client.images.generate(prompt=LAKE, n=2, stream=True)
    with pytest.raises(openai.APIError) as blocked:
        [event async for event in stream]
    assert blocked.value.code == "moderation_blocked"


async def test_sync_client_works_too(server: Api) -> None:
    def draw() -> Any:
        with OpenAI(base_url=f"{server.url}/v1", api_key=server.key) as client:
            assert next(model.id for model in client.models.list()) == "eros"
            events = list(client.images.generate(prompt=LAKE, stream=True))
            return events[0]

    assert opened((await asyncio.to_thread(draw)).b64_json).size == (1344, 768)


async def test_failed_picture_is_not_asked_for_again_by_the_client(client: AsyncOpenAI, server: Api) -> None:
    server.triton.failures = [ValueError("no")] * 20
    with pytest.raises(openai.InternalServerError) as failed:
        await client.images.generate(prompt=LAKE)
    assert failed.value.status_code == 502
    assert failed.value.body == {
        "message": "Generation failed",
        "type": "server_error",
        "param": None,
        "code": None,
    }
    stored = await server.redis.zcard(f"imgen:stored:{(await server.services.keys.all())[0].id}")
    assert stored == 1


async def test_order_that_is_repeated_with_its_idempotency_key_is_the_same_one(
    client: AsyncOpenAI, server: Api
) -> None:
    header = {"Idempotency-Key": "order-1"}
    one, two = await asyncio.gather(
        *(client.images.generate(prompt=LAKE, n=2, extra_headers=header) for _ in range(2))
    )
    assert one.data and two.data and len(server.triton.orders) == 2
    with pytest.raises(openai.ConflictError):
        await client.with_options(max_retries=0).images.generate(prompt="a hill", extra_headers=header)


async def test_wrong_key_is_an_authentication_error(server: Api) -> None:
    async with AsyncOpenAI(base_url=f"{server.url}/v1", api_key="wrong") as client:
        with pytest.raises(openai.AuthenticationError) as refused:
            await client.images.generate(prompt=LAKE)
        assert refused.value.code == "invalid_api_key"
        with pytest.raises(openai.AuthenticationError):
            await client.models.list()
