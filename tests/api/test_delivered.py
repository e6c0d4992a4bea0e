"""What a client finds out of the file that was delivered, with programs of others."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from redis.asyncio import Redis

from contract.sizes import SIZES
from tests.api.harness import Api, api
from tests.frontend.finishing.pictures import block, data_uri
from tests.frontend.finishing.test_fingerprint import distance, of_the_library

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
