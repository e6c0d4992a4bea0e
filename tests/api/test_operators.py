"""What is for operators: beside the API but not for browsers, or at an address of its own."""

import json
from pathlib import Path

import aiohttp
import pytest
from redis.asyncio import Redis

from embedded.frontend import frontend_part
from embedded.part import free_port, running
from frontend.common.errors import SettingError
from frontend.serve import operators_address
from frontend.settings import Settings
from tests.api.harness import Api

STUDIO = {"Origin": "https://studio.example", "Access-Control-Request-Method": "GET"}


@pytest.mark.parametrize("path", ["/metrics", "/readyz"])
async def test_no_page_of_another_origin_reads_what_is_for_operators(shared: Api, path: str) -> None:
    async with shared.http.get(f"{shared.url}{path}", headers=STUDIO) as response:
        assert response.status == 200
        assert not [name for name in response.headers if name.startswith("Access-Control")]
    async with shared.http.options(f"{shared.url}{path}", headers=STUDIO) as response:
        assert response.status == 405
        assert not [name for name in response.headers if name.startswith("Access-Control")]


@pytest.mark.system
async def test_operators_have_an_address_of_their_own(redis: "Redis", redis_url: str, tmp_path: Path) -> None:
    own, nobody = free_port(), f"127.0.0.1:{free_port()}"
    settings = Settings(port=free_port(), data_dir=tmp_path)
    environment = {
        "IMGEN_REDIS_URL": redis_url,
        "IMGEN_TRITON_URLS": nobody,
        "IMGEN_ACS_URL": f"http://{nobody}",
        "IMGEN_OPERATORS_ADDRESS": f"127.0.0.1:{own}",
    }
    part = frontend_part(settings, environment)
    async with running(part, tmp_path), aiohttp.ClientSession() as http:

        async def status(port: int, path: str) -> int:
            async with http.get(f"http://127.0.0.1:{port}{path}") as response:
                return response.status

        paths = ("/healthz", "/readyz", "/metrics")
        assert [await status(settings.port, path) for path in paths] == [200, 404, 404]
        assert [await status(own, path) for path in paths] == [404, 503, 200]


@pytest.mark.system
async def test_log_is_json_where_the_settings_say_so(redis: "Redis", redis_url: str, tmp_path: Path) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    settings = Settings(port=free_port(), data_dir=tmp_path)
    environment = {
        "IMGEN_REDIS_URL": redis_url,
        "IMGEN_TRITON_URLS": nobody,
        "IMGEN_ACS_URL": f"http://{nobody}",
        "IMGEN_LOG_FORMAT": "json",
    }
    async with running(frontend_part(settings, environment), tmp_path):
        pass
    lines = [json.loads(line) for line in (tmp_path / "frontend.log").read_text().splitlines()]
    assert any(line["message"].startswith("imgen ") and line["level"] == "info" for line in lines)
    assert all(line.keys() >= {"time", "level", "logger", "message"} for line in lines)


@pytest.mark.parametrize("text", ["8081", "host", "host:", ":8081", "host:99999", "host:x"])
def test_operators_address_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(SettingError, match="IMGEN_OPERATORS_ADDRESS: expected host:port"):
        operators_address(text)


def test_operators_address_may_be_of_ipv6() -> None:
    assert operators_address("[::1]:8081") == ("::1", 8081)
