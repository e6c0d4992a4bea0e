"""Small files that would cost the server seconds or hundreds of MiB are refused, and cost it neither."""

import asyncio
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from frontend.domain.picture import Encoding
from frontend.finishing.certificate import load_certificate
from frontend.finishing.credentials import Signatory
from frontend.finishing.encode import encode
from frontend.keys.api_keys import Keys
from tests import bombs
from tests.api.harness import PROMPT, Api
from tests.frontend.finishing.pictures import credentials, data_uri, scene
from tests.memory import forget_peak, peak_mb

TOO_LONG = "takes too long to decode"
PNG = Encoding(format="png", quality=1, lossless=True)
WEBP = Encoding(format="webp", quality=80, lossless=False)


async def verify(server: Api, data: bytes) -> tuple[int, dict[str, Any]]:
    return await server.post({"action": "verify", "image": data_uri(data)})


async def generate(server: Api, mark: bytes) -> tuple[int, dict[str, Any]]:
    return await server.post({"action": "generate", "prompt": PROMPT, "wm_image": data_uri(mark)})


@pytest.mark.parametrize(("send", "name"), [(verify, "image"), (generate, "wm_image")])
async def test_jpeg_of_thousands_of_scans_costs_the_server_no_time(shared: Api, send: Any, name: str) -> None:
    bomb = bombs.scans(4096, 4096, 3000)
    assert len(bomb) < 200_000
    begun = time.process_time()
    status, answer = await send(shared, bomb)
    assert (status, answer) == (400, {"error": f"Invalid {name}: {TOO_LONG}"})
    assert time.process_time() - begun < 1


async def test_byte_string_that_claims_700_mib_takes_no_memory(shared: Api) -> None:
    with Signatory(load_certificate(shared.settings)) as signatory:
        signed = signatory.sign(encode(scene(64, 48), WEBP), credentials()).data
    files = list(bombs.byte_strings(signed, 700 << 20))
    assert len(files) >= 4 and max(map(len, files)) < 12_000
    await verify(shared, signed)
    forget_peak()
    before = peak_mb()
    for data in files:
        status, answer = await verify(shared, data)
        assert (status, answer["manifest"]["state"]) == (200, "unreadable")
    assert peak_mb() - before < 50


async def test_key_with_many_large_watermarks_keeps_no_other_key_waiting(server: Api) -> None:
    large = encode(np.zeros((4096, 4096, 3), np.uint8), PNG).data
    small = encode(np.zeros((8, 8, 3), np.uint8), PNG).data
    assert len(large) < 250_000
    greedy = [asyncio.create_task(generate(server, large)) for _ in range(16)]
    _, key = await Keys(server.redis).create("other")
    await asyncio.wait(greedy, return_when=asyncio.FIRST_COMPLETED)
    assert (await generate(replace(server, key=key), small))[0] == 200
    assert sum(not task.done() for task in greedy) >= 5
    assert {status for status, _ in await asyncio.gather(*greedy)} == {200}
