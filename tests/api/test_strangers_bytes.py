"""Small files that would cost the server seconds or hundreds of MiB are refused, and cost it neither."""

import time
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from frontend.domain.picture import Encoding
from frontend.finishing.certificate import load_certificate
from frontend.finishing.credentials import Signatory
from frontend.finishing.encode import encode
from tests import bombs
from tests.api.harness import PROMPT, Api
from tests.frontend.finishing.pictures import credentials, data_uri, scene

TOO_LONG = "takes too long to decode"
WEBP = Encoding(format="webp", quality=80, lossless=False)


def peak_mb() -> int:
    """The most memory that this process has had since `forget_peak`, MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) >> 10


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


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


async def test_file_that_no_check_stops_is_ended_by_its_cells_own_limit(shared: Api) -> None:
    def ended() -> float:
        return REGISTRY.get_sample_value("imgen_cells_ended_total", {"limit": "cpu"}) or 0

    before, begun = ended(), time.process_time()
    status, answer = await verify(shared, bombs.scans(4896, 4896, 100))
    assert (status, answer) == (400, {"error": f"Invalid image: {TOO_LONG}"})
    assert ended() == before + 1
    assert time.process_time() - begun < 1
    status, answer = await verify(shared, bombs.png())
    assert (status, answer["result"]) == (200, "not_found")


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
