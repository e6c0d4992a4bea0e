"""What `generate` takes, what it falls back to, and what it refuses."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from redis.asyncio import Redis

from tests.api.harness import PROMPT, Api, api

EXPECTED = {
    "use_cache": "boolean",
    "lossless": "boolean",
    "width": "integer",
    "quality": "integer 1 to 100",
    "cache_pick": "integer 1 to 10",
    "wm_rotation": "integer -360 to 360",
    "style": "string",
    "cs_author": "string",
    "negative": "string",
    "seed": "integer -1 to",
}


async def test_answer_has_the_published_shape(server: Api) -> None:
    job = await server.generate(prompt="  @AYA black   hat,, on bed , -red dress,-  ugly hands ")
    assert set(job) == {"id", "prompt", "model", "format", "gen_id"}
    assert job["prompt"] == "@aya black hat, on bed, -red dress, -ugly hands"
    assert (job["model"], job["format"]) == ("eros", "jpeg")
    assert job["id"].startswith("run_") and len(job["id"]) >= 20
    assert len(job["gen_id"]) == 20


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (None, "Prompt is required"),
        (["a tree"], "Invalid prompt: expected string"),
        ("", "Prompt is required"),
        (" , ,", "Prompt is required"),
        ("x" * 4001, "Prompt is too long"),
        ("@aya and @bella", "Only one character per prompt"),
    ],
)
async def test_bad_prompts_are_refused(shared: Api, prompt: Any, message: str) -> None:
    assert await shared.post({"action": "generate", "prompt": prompt}) == (400, {"error": message})


async def test_character_that_is_none_is_named_with_those_that_exist(shared: Api) -> None:
    assert await shared.post({"action": "generate", "prompt": "@nobody in a park"}) == (
        400,
        {
            "error": "Invalid character",
            "detail": "There is no @nobody; this model's characters: @aya, @bella, @mira, @tomo",
        },
    )


async def test_refusal_that_its_line_ended_is_told_as_often_as_it_is_asked(shared: Api) -> None:
    order = {"action": "generate", "prompt": "car\n-rain\nhat", "idempotency_key": "lines"}
    first, again = await shared.post(order), await shared.post(order)
    assert first == again
    assert first[1]["prompt"] == "car, hat, -rain"
    assert first[1]["notes"] == ['"-rain" ends with its line: what follows is wished for']


async def test_what_is_left_out_of_a_prompt_is_told(shared: Api) -> None:
    fields = {"prompt": "car, <lora:details:0.8> --ar 16:9", "negative": "fog, embedding:easy"}
    _, answer = await shared.post({"action": "generate", **fields})
    assert answer["prompt"] == "car"
    for left_out, note in zip(
        ("<lora:details:0.8>", "--ar 16:9", "embedding:easy"), answer["notes"], strict=True
    ):
        assert note.startswith(f'"{left_out}" is left out')


async def test_prompt_that_is_all_left_out_says_why(shared: Api) -> None:
    status, answer = await shared.post({"action": "generate", "prompt": "<lora:details:1>"})
    assert (status, answer["error"]) == (400, "Prompt is required")
    assert "<lora:details:1>" in answer["detail"]


async def test_pasted_block_is_understood(shared: Api) -> None:
    pasted = "car\nNegative prompt: (rain:1.2), hat\nSteps: 20, Sampler: Euler a, Seed: 1"
    _, answer = await shared.post({"action": "generate", "prompt": pasted})
    assert answer["prompt"] == "car, -(rain:1.2), -hat"
    (note,) = answer["notes"]
    assert note.startswith('"Steps: 20, Sampler: Euler a, Seed: 1" is left out')


async def test_minus_one_is_a_random_seed(server: Api) -> None:
    seeds = {(await server.finished(seed=-1))["meta"]["seed"] for _ in range(3)}
    assert len(seeds) == 3 and min(seeds) >= 0


async def test_width_of_another_type_is_told_the_sizes_there_are(shared: Api) -> None:
    status, body = await shared.post({"action": "generate", "prompt": "car", "width": "1024"})
    assert status == 400
    assert body["error"].startswith("Invalid width: expected integer; sizes are 1344x768, 1024x1024")


async def test_missing_prompt_is_required(shared: Api) -> None:
    assert await shared.post({"action": "generate"}) == (400, {"error": "Prompt is required"})


@pytest.mark.parametrize("field", EXPECTED)
@pytest.mark.parametrize("value", [[], {}, "wide", 1.5, True, 7])
async def test_wrong_type_names_the_field_and_what_was_expected(shared: Api, field: str, value: Any) -> None:
    kind = EXPECTED[field].split()[0]
    right = {"boolean": value is True, "integer": value == 7 and value is not True, "string": value == "wide"}
    status, body = await shared.post({"action": "generate", "prompt": PROMPT, field: value})
    if right[kind]:
        assert status == 200
    else:
        assert status == 400
        assert body["error"].startswith(f"Invalid {field}: expected {EXPECTED[field]}")


@pytest.mark.parametrize("field", [*EXPECTED, "model", "format", "wm_image", "height", "idempotency_key"])
async def test_null_is_a_field_that_was_not_sent(shared: Api, field: str) -> None:
    assert (await shared.post({"action": "generate", "prompt": PROMPT, field: None}))[0] == 200


async def test_silent_fallbacks_and_clamps(server: Api) -> None:
    state = await server.finished(
        model=["no"], style="none", format="bmp", width=100, height=100, quality=1e9, wm_scale=-5,
        wm_rotation=720.0, compliance_ruleset="  ", precompliance="x" * 3000, cache_pick=99, unknown={"a": 1},
    )  # fmt: skip
    meta = state["meta"]
    assert (meta["model"], meta["style"], meta["format"]) == ("eros", "professional", "jpeg")
    assert (meta["width"], meta["height"], meta["quality"]) == (1344, 768, 100)
    assert (meta["wm_scale"], meta["wm_rotation"], meta["compliance_ruleset"]) == (1, 360, "default")
    assert meta["precompliance"] == "x" * 2000
    assert server.acs.reviews[0]["ruleset"] == "default"


async def test_fallbacks_have_no_length_beyond_which_they_are_errors(server: Api) -> None:
    state = await server.finished(style="s" * 1001, format="f" * 1001, wm_position="p" * 1001)
    meta = state["meta"]
    assert (meta["style"], meta["format"], meta["wm_position"]) == ("professional", "jpeg", "bottom-right")


@pytest.mark.parametrize(
    "size", [(1024, 1024), (768, 1344), (1216, 832), (832, 1216), (1152, 896), (896, 1152)]
)
async def test_every_size_is_drawn(server: Api, size: tuple[int, int]) -> None:
    state = await server.finished(width=size[0], height=size[1])
    async with server.http.get(state["meta"]["images"][0]["url"]) as response:
        assert Image.open(io.BytesIO(await response.read())).size == size


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "avif"])
async def test_every_format_comes_with_its_extension_and_type(server: Api, name: str) -> None:
    state = await server.finished(format=name)
    meta = state["meta"]
    extension = {"jpeg": "jpg"}.get(name, name)
    stem = f"{meta['gen_id']}_{meta['fingerprint']}_00001"
    assert [image["filename"] for image in meta["images"]] == [
        f"{stem}.{extension}",
        f"{stem}_thumb.{extension}",
    ]
    for image in meta["images"]:
        async with server.http.get(image["url"]) as response:
            assert response.headers["Content-Type"] == f"image/{name}"
            assert Image.open(io.BytesIO(await response.read())).format == name.upper()


async def test_prompts_are_composed_by_the_published_templates(server: Api) -> None:
    state = await server.finished(prompt="@aya reading, -rain, -rain", negative="fog, rain")
    meta = state["meta"]
    assert meta["positive"].split(", ").count("reading") == 1
    assert meta["positive"].index("aya") < meta["positive"].index("reading")
    assert meta["negative"].split(", ").count("rain") == 1
    assert meta["negative"].endswith("rain, fog")
    order = server.triton.orders[0]
    assert (order.prompt, order.negative) == (meta["positive"], meta["negative"])
    assert (order.character, order.seed, order.steps) == ("aya", meta["seed"], meta["steps"])


async def test_seed_is_used_and_without_one_it_is_random(server: Api) -> None:
    assert (await server.finished(seed=7.0))["meta"]["seed"] == 7
    assert (await server.finished(seed=2**63 - 1))["meta"]["seed"] == 2**63 - 1
    seeds = {(await server.finished())["meta"]["seed"] for _ in range(3)}
    assert len(seeds) == 3
    assert max(seeds) < 2**32  # exact in every client's numbers


async def test_cache_only_finds_nothing_and_use_cache_alone_draws(server: Api) -> None:
    body = {"action": "generate", "prompt": PROMPT, "use_cache": True}
    assert await server.post({**body, "cache_only": True}) == (404, {"error": "No cached result found"})
    assert (await server.post(body))[0] == 200
    assert (await server.post({**body, "use_cache": False, "cache_only": True}))[0] == 200


async def test_same_idempotency_key_gives_the_same_job(server: Api) -> None:
    first = await server.generate(idempotency_key="order-1")
    assert await server.generate(idempotency_key="order-1") == first
    body = {"action": "generate", "prompt": PROMPT}
    status, by_header = await server.post(body, **{"Idempotency-Key": "order-1"})
    assert (status, by_header) == (200, first)
    status, error = await server.post({**body, "seed": 5, "idempotency_key": "order-1"})
    assert status == 409 and "error" in error
    assert await server.generate(idempotency_key="order-2") != first
    await server.until(first["id"])
    assert await server.generate(idempotency_key="order-1") == first


async def test_idempotency_key_goes_with_any_body_that_is_read(server: Api) -> None:
    deep: list[Any] = []
    for _ in range(300):
        deep = [deep]
    first = await server.generate(idempotency_key="deep", ignored=deep)
    assert await server.generate(ignored=deep, idempotency_key="deep") == first
    body = {"action": "generate", "prompt": PROMPT, "idempotency_key": "deep", "ignored": [deep]}
    assert (await server.post(body))[0] == 409


async def test_body_too_deep_to_be_compared_is_refused(shared: Api) -> None:
    raw = b'{"action":"generate","prompt":"a tree","idempotency_key":"k","x":' + b"[" * 1020 + b"]" * 1020
    headers = {"Authorization": f"Bearer {shared.key}"}
    async with shared.http.post(f"{shared.url}/api/v2", data=raw + b"}", headers=headers) as response:
        assert (response.status, await response.json()) == (400, {"error": "Invalid JSON"})


@pytest.mark.parametrize("key", ["", "x" * 256, 5, "a\nb"])
async def test_odd_idempotency_key_is_refused(shared: Api, key: Any) -> None:
    status, body = await shared.post({"action": "generate", "prompt": PROMPT, "idempotency_key": key})
    assert status == 400 and body["error"].startswith("Invalid idempotency_key: expected")


async def test_watermark_is_laid_on(server: Api) -> None:
    mark = io.BytesIO()
    Image.new("RGB", (64, 64), (255, 0, 255)).save(mark, "PNG")
    uri = "data:image/png;base64," + base64.b64encode(mark.getvalue()).decode()
    state = await server.finished(
        wm_image=uri, wm_scale=20, wm_position="top-left", wm_padding_x=0, wm_padding_y=0, format="png"
    )
    async with server.http.get(state["meta"]["images"][0]["url"]) as response:
        picture = Image.open(io.BytesIO(await response.read()))
    pixel = np.asarray(picture)[20, 20].astype(int)
    assert np.abs(pixel - (255, 0, 255)).max() <= 8  # the invisible mark lies over it
    assert (state["meta"]["wm_position"], state["meta"]["wm_scale"]) == ("top-left", 20)
    assert "wm_image" not in state["meta"]


@pytest.mark.parametrize(
    "value", ["hello", "data:image/png;base64,@@@", "data:image/gif;base64,R0lGODlhAQABAAAAACw="]
)
async def test_bad_watermark_is_refused_before_a_job_exists(server: Api, value: str) -> None:
    status, body = await server.post({"action": "generate", "prompt": PROMPT, "wm_image": value})
    assert status == 400 and body["error"].startswith("Invalid wm_image: ")
    assert await server.redis.exists("imgen:seq") == 0


async def test_full_queue_is_503_with_retry_after(redis: "Redis", redis_url: str, tmp_path: Path) -> None:
    async with api(redis_url, tmp_path, queue_limit=1, workers=0) as server:
        await server.generate()
        headers = {"Authorization": f"Bearer {server.key}"}
        body = {"action": "generate", "prompt": PROMPT}
        async with server.http.post(f"{server.url}/api/v2", json=body, headers=headers) as response:
            assert response.status == 503
            assert int(response.headers["Retry-After"]) > 0


async def test_credentials_texts_come_from_the_request_or_the_settings(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, cs_author="Studio", cs_vendor="House") as server:
        meta = (await server.finished(cs_author="Aya's friend", cs_title="Tree"))["meta"]
    async with api(redis_url, tmp_path) as server:
        long = (await server.finished(cs_title="x" * 1000, cs_author="\x01\n"))["meta"]
    assert (long["cs_title"], long["cs_author"]) == ("x" * 300, "")  # as they were signed
    texts = {
        name: meta[f"cs_{name}"] for name in ("author", "title", "description", "organization", "vendor")
    }
    assert texts == {
        "author": "Aya's friend", "title": "Tree", "description": "", "organization": "", "vendor": "House",
    }  # fmt: skip


async def test_store_that_is_out_of_order_is_a_generation_that_failed(server: Api) -> None:
    await server.redis.set("imgen:waiting", "not a sorted set")
    answer = await server.post({"action": "generate", "prompt": PROMPT})
    assert answer == (502, {"error": "Generation failed"})
