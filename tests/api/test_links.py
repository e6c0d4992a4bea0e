"""A picture's link in programs and in other people's pages."""

from pathlib import Path

import pytest
from aiohttp import web
from redis.asyncio import Redis

from embedded.part import free_port
from tests.api.harness import Api, api
from tests.browser import opened_page
from tests.fakes import listening

PAGE = "<!doctype html><title>studio</title>"
READ_PIXELS = """async (link) => {
    const image = new Image();
    image.crossOrigin = "anonymous";
    image.src = link;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.width, image.height];
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const part = await fetch(link, {headers: {Range: "bytes=0-2"}});
    return {
        width: image.width,
        pixel: context.getImageData(0, 0, 1, 1).data.length,
        status: part.status,
        range: part.headers.get("Content-Range"),
        tag: part.headers.get("ETag"),
    };
}"""


async def finished_link(server: Api, **fields: bool) -> str:
    job = (await server.finished())["meta"]["id"]
    _, state = await server.post({"action": "status", "id": job, **fields})
    return str(state["meta"]["images"][0]["url"])


async def test_links_to_save_files_are_to_be_had(server: Api) -> None:
    _, models = await server.post({"action": "status", "id": "run_" + "a" * 20, "download": "yes"})
    assert models == {"error": "Invalid download: expected boolean"}
    async with server.http.get(await finished_link(server, download=True)) as response:
        disposition = response.headers["Content-Disposition"]
    state = await server.finished()
    assert disposition.startswith('attachment; filename="') and disposition.endswith('_00001.jpg"')
    for image in state["meta"]["images"]:
        async with server.http.get(image["url"]) as shown:
            assert shown.headers["Content-Disposition"] == f'inline; filename="{image["filename"]}"'


@pytest.mark.parametrize("origins", [("*",), ("https://studio.example",)])
async def test_pages_of_the_apis_origins_may_read_a_picture(
    redis: "Redis", redis_url: str, tmp_path: Path, origins: tuple[str, ...]
) -> None:
    async with api(redis_url, tmp_path, cors_origins=origins) as server:
        link = await finished_link(server)
        headers = {"Origin": "https://studio.example", "Range": "bytes=0-2"}
        async with server.http.get(link, headers=headers) as response:
            assert (response.status, len(await response.read())) == (206, 3)
            assert response.headers["Access-Control-Allow-Origin"] in (*origins, "*")
            exposed = response.headers["Access-Control-Expose-Headers"].split(", ")
            assert {"ETag", "Content-Range", "Content-Disposition", "Accept-Ranges"} <= set(exposed)
            assert response.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
        async with server.http.get(link, headers={"Origin": "https://other.example"}) as response:
            assert ("Access-Control-Allow-Origin" in response.headers) == (origins == ("*",))


async def test_page_of_another_origin_draws_a_picture_on_its_canvas(server: Api) -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    app, port = web.Application(), free_port()
    app.add_routes([web.get("/", page)])
    link = await finished_link(server)
    complaints: list[str] = []
    async with listening(app, port), opened_page(complaints) as tab:
        await tab.goto(f"http://127.0.0.1:{port}/")
        found = await tab.evaluate(READ_PIXELS, link)
    assert [each for each in complaints if "favicon" not in each and "404" not in each] == []
    assert (found["width"], found["pixel"], found["status"]) == (1344, 4, 206)
    assert found["range"].startswith("bytes 0-2/") and found["tag"]
