import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from frontend.common.errors import SettingError
from frontend.net.http_endpoint import HttpEndpoint, open_http_service


async def echo(request: web.Request) -> web.Response:
    return web.json_response({"path": request.path, "key": request.headers.get("Authorization", "")})


@contextlib.asynccontextmanager
async def on_a_socket() -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/{path:.*}", echo)
    runner = web.AppRunner(app)
    await runner.setup()
    with tempfile.TemporaryDirectory() as folder:  # pytest's paths are too long for a socket
        await web.UnixSite(runner, f"{folder}/a.sock").start()
        try:
            yield f"unix:{folder}/a.sock"
        finally:
            await runner.cleanup()


@pytest.mark.parametrize(
    ("base", "expected"),
    [("", "/models"), (":/", "/models"), (":/v1", "/v1/models"), (":/a/b/", "/a/b/models")],
)
async def test_service_on_a_socket_is_asked_below_its_base(base: str, expected: str) -> None:
    async with on_a_socket() as url, open_http_service("llm", url + base, key="harbour") as service:
        async with service.session.get(f"{service.url}/models") as response:
            assert await response.json() == {"path": expected, "key": "Bearer harbour"}


async def test_nothing_is_opened_for_no_url() -> None:
    async with open_http_service("llm", "") as service:
        assert service.url == ""


@pytest.mark.parametrize("url", ["ftp://a/", "http://", "unix:relative.sock", "reviewer:9000", "http://[::1"])
async def test_other_addresses_are_refused_in_one_line_without_them(url: str) -> None:
    with pytest.raises(SettingError) as refused:
        async with open_http_service("acs", url):
            pass
    assert str(refused.value) == "IMGEN_ACS_URL: expected https://…, http://… or unix:/PATH"


@pytest.mark.parametrize("text", [None, "no certificate"])
async def test_authority_that_is_none_is_refused(tmp_path: Path, text: str | None) -> None:
    ca = tmp_path / "ca.pem"
    if text:
        await asyncio.to_thread(ca.write_text, text)
    with pytest.raises(SettingError, match=r"^IMGEN_ACS_CA: cannot use"):
        async with open_http_service("acs", "https://acs.example", ca=ca):
            pass


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://acs:9000", "acs"),
        ("http://10.0.0.7/", "10.0.0.7"),
        ("http://user:word@acs/", "acs"),
        ("http://127.0.0.1.example/", "127.0.0.1.example"),
        ("http://0.0.0.0:9000", "0.0.0.0"),
        ("https://acs:9000", ""),
        ("http://localhost:9000", ""),
        ("http://127.8.9.1", ""),
        ("http://[::1]:9000", ""),
        ("unix:/run/acs.sock", ""),
    ],
)
def test_plain_text_beyond_this_machine_is_known(url: str, host: str) -> None:
    assert HttpEndpoint.parse(url).plain_host == host
