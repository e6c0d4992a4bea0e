"""Links lead to where a client reached this server, and no stranger chooses where that is."""

from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from yarl import URL

from embedded.part import free_port
from tests.api.harness import Api, api

PROXIED = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "api.example.org",
}
OWN = ("127.0.0.0/8",)


async def link(server: Api, job_id: str, **headers: str) -> str:
    status, state = await server.post({"action": "status", "id": job_id}, **headers)
    assert (status, state["status"]) == (200, "COMPLETED")
    links = [image["url"] for image in state["meta"]["images"]]
    assert len({URL(each).origin() for each in links}) == 1
    return str(links[0])


async def job_of(server: Api) -> str:
    job = await server.generate()
    await server.until(job["id"])
    return str(job["id"])


@pytest.mark.parametrize(
    ("headers", "origin"),
    [
        (PROXIED, "https://api.example.org"),
        ({**PROXIED, "X-Forwarded-Host": "api.example.org:8443"}, "https://api.example.org:8443"),
        ({**PROXIED, "X-Forwarded-Host": "[2001:db8::1]:8443"}, "https://[2001:db8::1]:8443"),
        # A proxy that adds its own to what the client sent.
        ({**PROXIED, "X-Forwarded-Host": "evil.example, api.example.org"}, "https://api.example.org"),
        ({"X-Forwarded-Host": "api.example.org"}, "http://api.example.org"),
        ({"X-Forwarded-Proto": "https", "Host": "api.example.org"}, "https://api.example.org"),
    ],
)
async def test_links_begin_as_a_trusted_proxy_says(
    redis: "Redis", redis_url: str, tmp_path: Path, headers: dict[str, str], origin: str
) -> None:
    async with api(redis_url, tmp_path, trusted_proxies=OWN) as server:
        job = await job_of(server)
        url = URL(await link(server, job, **headers), encoded=True)
        assert str(url.origin()) == origin
        here = url.with_scheme("http").with_host("127.0.0.1").with_port(server.settings.port)
        async with server.http.get(here) as response:
            assert response.status == 200
        # What one client was told is not what the next one is.
        assert (await link(server, job)).startswith(server.url)
        assert all(str(review["image_url"]).startswith(server.url) for review in server.acs.reviews)
        assert server.services.origins.warning == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"X-Forwarded-Host": "evil.example/path"},
        {"X-Forwarded-Host": "user@evil.example"},
        {"X-Forwarded-Host": "evil.example?"},
        {"X-Forwarded-Host": "evil.example#"},
        {"X-Forwarded-Host": '"><script>'},
        {"X-Forwarded-Host": "a" * 300},
        {"X-Forwarded-Proto": "javascript"},
    ],
)
async def test_words_that_begin_no_link_are_not_believed(
    redis: "Redis", redis_url: str, tmp_path: Path, changes: dict[str, str]
) -> None:
    async with api(redis_url, tmp_path, trusted_proxies=OWN) as server:
        job = await job_of(server)
        assert (await link(server, job, **{**PROXIED, **changes})).startswith(f"{server.url}/files/")


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        (PROXIED, "api.example.org, through a proxy"),
        ({"Host": "api.example.org"}, "api.example.org:"),
        ({"Host": "localhost:1"}, "localhost:1:"),  # a port that is forwarded
        ({"X-Forwarded-For": "203.0.113.9"}, "through a proxy"),  # one that puts its own name for Host
        ({"X-Forwarded-Host": '"><script>'}, "by another name, through a proxy"),
    ],
)
async def test_first_client_by_another_name_is_warned_of_once_and_not_believed(
    redis: "Redis",
    redis_url: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    headers: dict[str, str],
    named: str,
) -> None:
    async with api(redis_url, tmp_path) as server:
        job = await job_of(server)
        assert "links to pictures" not in caplog.text
        for _ in range(3):
            assert (await link(server, job, **headers)).startswith(server.url)
        (line,) = (text for text in caplog.messages if text.startswith("links to pictures begin with"))
        assert named in line and "IMGEN_PUBLIC_URL" in line
        async with server.http.get(f"{server.url}/readyz") as response:
            assert (await response.json())["warnings"] == [line]


async def test_host_of_a_stranger_without_a_key_is_not_told(
    redis: "Redis", redis_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with api(redis_url, tmp_path) as server:
        body: dict[str, Any] = {"action": "models"}
        async with server.http.post(f"{server.url}/api/v2", json=body, headers=PROXIED) as response:
            assert response.status == 401
        assert server.services.origins.warning == ""


async def test_public_url_counts_whatever_a_proxy_says(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    port = free_port()
    public = f"http://localhost:{port}"
    async with api(redis_url, tmp_path, trusted_proxies=OWN, port=port, public_url=public) as server:
        assert (await link(server, await job_of(server), **PROXIED)).startswith(f"{public}/files/")
        assert server.services.origins.warning == ""


async def test_client_of_this_machine_is_not_warned_of(
    redis: "Redis", redis_url: str, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, workers=0) as server:
        for name in ("127.0.0.1", "localhost", "[::1]"):
            await server.post({"action": "models"}, Host=f"{name}:{server.settings.port}")
        assert server.services.origins.warning == ""
