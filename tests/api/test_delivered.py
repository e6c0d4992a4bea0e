"""What a client finds out of the file that was delivered, with programs of others."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from redis.asyncio import Redis

from contract.sizes import SIZES
from frontend.domain.picture import File
from tests.api.harness import Api, api
from tests.api.test_cache import CACHED
from tests.api.test_cache import made as cached
from tests.frontend.finishing.pictures import block, data_uri
from tests.frontend.finishing.test_credentials import AI_MADE, COMPOSITE, FORMATS
from tests.frontend.finishing.test_fingerprint import distance, of_the_library
from tests.frontend.finishing.test_metadata import packet, texts

LOSSLESS = ({"format": "png"}, {"format": "webp", "lossless": True}, {"format": "avif", "lossless": True})
STATED = 2  # bits of 256; what is measured is 0


async def downloaded(server: Api, meta: dict[str, Any], number: int = 0) -> bytes:
    async with server.http.get(meta["images"][number]["url"]) as response:
        return await response.read()


@pytest.mark.parametrize("options", LOSSLESS)
async def test_fingerprint_is_that_of_the_delivered_pixels(
    redis: "Redis", redis_url: str, tmp_path: Path, options: dict[str, Any]
) -> None:
    async with api(redis_url, tmp_path) as server:
        for width, height in SIZES:
            size = {"width": width, "height": height, "wm_image": data_uri(block())}
            meta = (await server.finished(**size, **options))["meta"]
            picture = Image.open(io.BytesIO(await downloaded(server, meta)))
            assert picture.size == (width, height)
            digits, _ = of_the_library(np.asarray(picture.convert("RGB")))
            assert distance(meta["fingerprint"], digits) <= STATED
            assert meta["fingerprint"] in meta["images"][0]["filename"]


async def metadata(server: Api, meta: dict[str, Any], kind: str) -> list[dict[str, str]]:
    """Of the picture and of its thumbnail."""
    files = [
        File(data=await downloaded(server, meta, number), media_type=f"image/{kind}", extension=kind)
        for number in (0, 1)
    ]
    return [texts(packet(file)) for file in files]


SAID = {"cs_author": "Aya & Söhne", "cs_title": "<Hafen>", "cs_description": "Abends"}
TOLD = {
    "DigitalSourceType": AI_MADE,
    "creator": "Aya & Söhne",
    "title": "<Hafen>",
    "description": "Abends",
    "Credit": "imgen",
}


@pytest.mark.parametrize("kind", FORMATS)
async def test_picture_and_thumbnail_say_who_what_and_how(server: Api, kind: str) -> None:
    meta = (await server.finished(format=kind, **SAID))["meta"]
    assert await metadata(server, meta, kind) == [TOLD, TOLD]


@pytest.mark.parametrize("kind", FORMATS)
async def test_cached_copy_says_it_too(redis: "Redis", redis_url: str, tmp_path: Path, kind: str) -> None:
    """Of a picture with the server's own texts: others are not for other keys."""
    async with api(redis_url, tmp_path, **SAID) as server:
        meta = await cached(server, format=kind)
        state = await server.finished(format=kind, **CACHED)
        assert (state["cache"], state["meta"]["fingerprint"]) == (True, meta["fingerprint"])
        assert await metadata(server, state["meta"], kind) == [TOLD, TOLD]


async def test_metadata_never_tell_the_prompt_and_describe_only_what_the_client_did(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, c2pa_prompt=True) as server:
        meta = (await server.finished(format="png", wm_image=data_uri(block())))["meta"]
        for found in await metadata(server, meta, "png"):
            assert found == {"DigitalSourceType": COMPOSITE, "title": "AI Image", "Credit": "imgen"}
