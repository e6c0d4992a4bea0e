"""The reviewer over HTTP, with a picture server beside it and a function for a detector."""

import io
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from acs.app import ReviewerConfig, make_app
from acs.detections import Detections, Detector, Pixels
from tests.acs.orders import body, facts, picture
from tests.hostile_log import EVIL, send_all, unprintable

Client = TestClient[web.Request, web.Application]

SHA256 = facts(picture())["sha256"]
BROKEN = b"nonsense"


class Eye:
    """A detector that says what a test wants, and remembers the shapes that it was shown."""

    def __init__(self) -> None:
        self.sees: Detections = {}
        self.breaks = False
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, pixels: Pixels) -> Detections:
        self.shapes.append(pixels.shape)
        if self.breaks:
            raise RuntimeError
        return self.sees


async def _picture(request: web.Request) -> web.Response:
    return web.Response(body=BROKEN if request.match_info["name"] == "broken" else picture())


@pytest.fixture
async def pictures() -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/pictures/{name}", _picture)
    async with TestServer(app) as server:
        yield str(server.make_url("/pictures"))


@pytest.fixture
def eye() -> Eye:
    return Eye()


@pytest.fixture
async def client(pictures: str, eye: Eye) -> AsyncIterator[Client]:
    app = make_app(ReviewerConfig(fetch_allow=(pictures,)), lambda: eye)
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_without_the_key_nothing_but_its_health_is_told(pictures: str, eye: Eye) -> None:
    app = make_app(ReviewerConfig(fetch_allow=(pictures,), key="harbour-key"), lambda: eye)
    order = body(image_url=f"{pictures}/a.jpg")
    async with TestClient(TestServer(app)) as client:
        for sent in ("", "harbour-key", "Bearer harbour", "bearer harbour-key", "Bearer \udce9"):
            headers = {"Authorization": sent} if sent else {}
            for method, path in (("POST", "/v1/reviews"), ("GET", "/v1/rulesets"), ("GET", "/nowhere")):
                async with client.request(method, path, json=order, headers=headers) as response:
                    told = response.status, await response.json()
                    assert told == (401, {"error": "Unauthorized"}), (sent, path)
        assert eye.shapes == []
        async with client.get("/readyz") as response:
            assert response.status == 200
        async with client.post(
            "/v1/reviews", json=order, headers={"Authorization": "Bearer harbour-key"}
        ) as response:
            assert (await response.json())["compliance"] == "safe"


@pytest.fixture
def ask(client: Client, pictures: str) -> Callable[..., Any]:
    async def ask(**changes: Any) -> tuple[int, Any]:
        json = body(**{"image_url": f"{pictures}/a.jpg?signature=hush", **changes})
        async with client.post("/v1/reviews", json=json) as response:
            return response.status, await response.json()

    return ask


async def test_plain_picture_is_safe(ask: Callable[..., Any], eye: Eye) -> None:
    assert await ask() == (200, {"compliance": "safe", "codes": [], "categories": [], "sha256": SHA256})
    assert eye.shapes == [(192, 336, 3)]


async def test_detected_nudity_is_unsafe(ask: Callable[..., Any], eye: Eye) -> None:
    eye.sees = {"FEMALE_BREAST_EXPOSED": 0.8}
    assert await ask() == (
        200,
        {
            "compliance": "unsafe",
            "codes": ["nudity.detected"],
            "categories": [{"id": "explicit-nudity", "name": "Explicit Nudity"}],
            "sha256": SHA256,
        },
    )


async def test_flagged_prompt_is_unsafe(ask: Callable[..., Any]) -> None:
    status, review = await ask(prompt="a scene of gore")
    assert (status, review["compliance"], review["codes"]) == (200, "unsafe", ["violence.terms"])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"ruleset": "nothing"}, 422),
        ({"ruleset": ""}, 422),
        ({"ruleset": "../default"}, 422),
        ({"ruleset": None}, 422),
        ({"prompt": 7}, 422),
        ({"prompt": "a" * 32_001}, 422),
        ({"gen_id": "a\nb"}, 422),
        ({"image_url": "http://127.0.0.1:1/a.jpg"}, 422),
        ({"precompliance": "a" * 2_001}, 422),
        ({"drawn": None}, 422),
        ({"depicts": "someone"}, 422),
        ({"texts": ["a title"]}, 422),
        ({"texts": {"title": "a" * 2_001}}, 422),
        ({"watermark": 1.01}, 422),
        ({"bytes": 0}, 422),
        ({"sha256": ""}, 422),
        ({"sha256": "0" * 64}, 422),
        ({"sha256": facts(picture())["sha256"].upper()}, 422),
        ({"bytes": facts(picture())["bytes"] + 1}, 422),
    ],
)
async def test_wrong_order_gets_no_verdict(
    ask: Callable[..., Any], changes: dict[str, Any], expected: int
) -> None:
    status, answer = await ask(**changes)
    assert status == expected
    assert list(answer) == ["error"]


@pytest.mark.parametrize("field", sorted(body()))
async def test_order_that_lacks_a_field_gets_no_verdict(client: Client, pictures: str, field: str) -> None:
    whole = body(image_url=f"{pictures}/a.jpg")
    lacking = {name: value for name, value in whole.items() if name != field}
    async with client.post("/v1/reviews", json=whole) as answer:
        assert answer.status == 200
    async with client.post("/v1/reviews", json=lacking) as answer:
        assert (answer.status, list(await answer.json())) == (422, ["error"])


async def test_picture_of_another_hash_is_not_looked_at(ask: Callable[..., Any], eye: Eye) -> None:
    assert (await ask(**facts(picture("PNG"))))[0] == 422
    assert eye.shapes == []


@pytest.mark.parametrize(("name", "expected"), [("broken", 422), ("missing/x", 502)])
async def test_no_picture_gets_no_verdict(
    ask: Callable[..., Any], pictures: str, name: str, expected: int
) -> None:
    status, answer = await ask(image_url=f"{pictures}/{name}", prompt="a scene of gore", **facts(BROKEN))
    assert (status, list(answer)) == (expected, ["error"])


async def test_broken_detector_gets_no_verdict(ask: Callable[..., Any], eye: Eye) -> None:
    eye.breaks = True
    assert await ask() == (500, {"error": "Internal error"})


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff", 400),
        (b'{"gen_id": "\\ud800"}', 400),
        (b"[]", 422),
        (b"{}", 422),
        (b"[" * 100_000, 422),
        (b" " * 2_100_000, 413),
    ],
)
async def test_body_that_is_no_order_is_refused(client: Client, data: bytes, expected: int) -> None:
    async with client.post("/v1/reviews", data=io.BytesIO(data)) as response:
        assert response.status == expected
        assert list(await response.json()) == ["error"]


async def test_log_holds_neither_signatures_nor_prompts(
    ask: Callable[..., Any], caplog: pytest.LogCaptureFixture, pictures: str
) -> None:
    with caplog.at_level(logging.INFO):
        await ask(prompt="a violet lighthouse")
        broken = {"image_url": f"{pictures}/broken?signature=hush", **facts(BROKEN)}
        await ask(prompt="a violet lighthouse", **broken)
        await ask(prompt="a violet lighthouse", image_url="http://127.0.0.1:1/a?signature=hush")
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name == "acs")
    assert "compliance=safe" in ours
    assert ours.count("no verdict") == 2
    assert "hush" not in ours
    assert "violet" not in ours


async def test_nothing_of_a_strangers_in_the_log_is_a_command_to_a_terminal(
    client: Client, pictures: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        for field in body():
            for value in (EVIL, EVIL * 10_000, [EVIL], {EVIL: EVIL}, 1):
                order = body(image_url=f"{pictures}/a.jpg") | {field: value}
                async with client.post("/v1/reviews", json=order) as response:
                    await response.read()
        await send_all(client.port or 0, "/v1/reviews", "/nowhere")
    assert caplog.text.count("no verdict") > 20
    assert not unprintable(caplog.records)
    assert max(len(record.getMessage()) for record in caplog.records if record.name == "acs") < 1_000


async def test_rulesets_are_listed_with_their_categories(client: Client) -> None:
    async with client.get("/v1/rulesets") as response:
        listed = (await response.json())["rulesets"]
    assert [item["name"] for item in listed] == ["default", "strict"]
    assert {"id": "graphic-violence", "name": "Graphic Violence"} in listed[0]["categories"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_health_is_answered(client: Client, path: str) -> None:
    async with client.get(path) as response:
        assert response.status == 200


async def test_openapi_names_every_field_of_an_order(client: Client) -> None:
    async with client.get("/openapi.json") as response:
        document = await response.json()
    assert document["openapi"].startswith("3.1")
    assert set(document["components"]["schemas"]["ReviewRequest"]["required"]) == set(body())


async def test_docs_load_nothing_from_elsewhere(client: Client) -> None:
    async with client.get("/docs") as response:
        html = await response.text()
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert "POST /v1/reviews" in html
    assert "precompliance" in html
    assert "<script" not in html
    assert "http://" not in html
    assert "https://" not in html


async def test_unknown_path_is_a_json_error(client: Client) -> None:
    async with client.get("/nothing") as response:
        assert (response.status, await response.json()) == (404, {"error": "Not Found"})


async def test_detector_that_does_not_load_stops_the_start() -> None:
    def missing() -> Detector:
        raise ImportError("no detector here")

    with pytest.raises(ImportError, match="no detector"):
        async with TestServer(make_app(ReviewerConfig(), missing)):
            pass


async def test_verdict_names_the_version_that_the_list_has(client: Client, pictures: str) -> None:
    listed = (await (await client.get("/v1/rulesets")).json())["rulesets"]
    answer = await client.post("/v1/reviews", json=body(image_url=f"{pictures}/tree.jpg"))
    assert answer.status == 200
    versions = {item["name"]: item["version"] for item in listed}
    assert answer.headers["Ruleset-Version"] == versions["default"] != versions["strict"]
