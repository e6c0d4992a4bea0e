"""The page over HTTP: its files, what a browser is allowed, and what only a key may see."""

import re
from pathlib import Path
from typing import Any

import pytest

from frontend.keys.handovers import Handovers
from frontend.settings import ROOT
from tests.api.harness import Api, api

TILES = "/api/v2/tiles"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def get(server: Api, path: str, **headers: str) -> tuple[int, bytes, Any]:
    async with server.http.get(f"{server.url}{path}", headers=headers) as answer:
        return answer.status, await answer.read(), answer.headers


async def hand_over(server: Api, **fields: str) -> tuple[int, str, Any]:
    async with server.http.post(f"{server.url}/open", data=fields, allow_redirects=False) as answer:
        return answer.status, await answer.text(), answer.headers


def rules(policy: str) -> dict[str, list[str]]:
    return {name: sources for name, *sources in (rule.split() for rule in policy.split("; "))}


async def test_page_is_asked_for_anew_and_its_files_are_kept_for_good(shared: Api) -> None:
    status, page, headers = await get(shared, "/")
    assert (status, headers["Cache-Control"]) == (200, "no-cache")
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert (await get(shared, "/", **{"If-None-Match": headers["ETag"]}))[0] == 304
    names = re.findall(r'(?:src|href)="(page/[^"]+)"', page.decode())
    assert len(names) == 4
    for name in names:
        status, body, headers = await get(shared, f"/{name}")
        assert status == 200 and body
        assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert headers["X-Content-Type-Options"] == "nosniff"
    assert (await get(shared, "/page/main-0000000000.js"))[0] == 404
    assert (await get(shared, "/page/..%2Findex.html"))[0] == 404


async def test_browser_may_do_nothing_on_the_page_but_what_it_needs(shared: Api) -> None:
    _, _, headers = await get(shared, "/")
    found = rules(headers["Content-Security-Policy"])
    pictures = f"{shared.url}/files/"
    assert found["default-src"] == ["'none'"] and found["frame-ancestors"] == ["'none'"]
    assert found["script-src"] == found["style-src"] == ["'self'"]
    assert found["img-src"] == ["'self'", "blob:", pictures]
    assert found["connect-src"] == ["'self'", pictures]
    assert found["require-trusted-types-for"] == ["'script'"]
    assert headers["Referrer-Policy"] == "no-referrer"


async def test_policy_names_where_this_clients_links_lead(
    redis_url: str, redis: object, tmp_path: Path
) -> None:
    async with api(redis_url, tmp_path, trusted_proxies=("127.0.0.1/32",)) as server:
        told = {"X-Forwarded-Host": "studio.example.org", "X-Forwarded-Proto": "https"}
        _, _, headers = await get(server, "/", **told)
    assert "https://studio.example.org/files/" in rules(headers["Content-Security-Policy"])["img-src"]


async def test_facts_are_the_servers_own(shared: Api) -> None:
    async with shared.http.get(f"{shared.url}/page/facts.json") as answer:
        told = await answer.json()
    assert [1344, 768] in told["sizes"] and told["formats"] == ["jpeg", "png", "webp", "avif"]
    assert told["max_file_bytes"] * 4 / 3 < shared.settings.max_body_mb << 20


async def test_key_is_handed_over_once_by_a_code_that_was_offered(server: Api) -> None:
    code = await Handovers(server.redis).offer()
    status, page, headers = await hand_over(server, code=code, key=server.key)
    assert (status, headers["Cache-Control"]) == (200, "no-store")
    assert f'<meta name="imgen-key" content="{server.key}">' in page
    assert rules(headers["Content-Security-Policy"])["script-src"] == ["'self'"]
    status, page, headers = await hand_over(server, code=code, key=server.key)
    assert (status, headers["Location"], page) == (303, "./", "")


@pytest.mark.parametrize("code", ["", "x", "x" * 1_000])
async def test_nobody_else_can_have_a_page_draw_with_a_key_of_theirs(shared: Api, code: str) -> None:
    status, page, _ = await hand_over(shared, code=code, key=shared.key)
    assert status == 303 and shared.key not in page


async def test_wrong_key_is_not_handed_over(server: Api) -> None:
    code = await Handovers(server.redis).offer()
    status, page, _ = await hand_over(server, code=code, key='imgen_"><script>')
    assert (status, page) == (401, '{"error":"Unauthorized"}')


async def test_form_that_is_too_large_is_refused(shared: Api) -> None:
    status, page, _ = await hand_over(shared, code="x", key="x" * 5_000)
    assert (status, page) == (413, '{"error":"Request body is too large"}')


async def test_tiles_are_for_keys_alone_and_kept_by_the_browser(shared: Api) -> None:
    assert (await get(shared, TILES))[0] == 401
    signed = {"Authorization": f"Bearer {shared.key}"}
    async with shared.http.get(f"{shared.url}{TILES}", headers=signed) as answer:
        models = (await answer.json())["models"]
    assert set(models["eros"]["characters"]) == {"aya", "bella", "mira", "tomo"}
    path = f"{TILES}/eros/styles/neon?v={models['eros']['styles']['neon']}"
    assert (await get(shared, path))[0] == 401
    status, body, headers = await get(shared, path, **signed)
    assert status == 200
    assert body == (ROOT / "demo/catalogue/tiles/eros/styles/neon.webp").read_bytes()
    assert headers["Content-Type"] == "image/webp"
    assert headers["Cache-Control"] == "private, max-age=31536000, immutable"


@pytest.mark.parametrize(
    "path", ["no/styles/neon", "eros/styles/no", "eros/models/neon", "eros/styles/..%2F..%2Fx"]
)
async def test_what_the_catalogue_does_not_have_has_no_tile(shared: Api, path: str) -> None:
    signed = {"Authorization": f"Bearer {shared.key}"}
    status, body, _ = await get(shared, f"{TILES}/{path}", **signed)
    assert (status, body) == (404, b'{"error":"Not found"}')


@pytest.mark.parametrize(("method", "path"), [("PUT", "/"), ("DELETE", TILES), ("POST", "/page/facts.json")])
async def test_other_methods_are_refused_in_the_apis_words(shared: Api, method: str, path: str) -> None:
    async with shared.http.request(method, f"{shared.url}{path}") as answer:
        assert (answer.status, await answer.json()) == (405, {"error": "Method not allowed"})
