"""The reviewer's own process with the real detector."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from embedded.acs import acs_part
from embedded.part import PartError, running
from frontend.net.http_endpoint import open_http_service
from tests.acs.orders import body, facts, picture

pytestmark = pytest.mark.system


@pytest.fixture
async def pictures() -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=picture(request.match_info["form"], (1344, 768)))

    app = web.Application()
    app.router.add_get("/pictures/{form}", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("/pictures"))


async def test_real_detector_finds_a_drawn_picture_safe(pictures: str, tmp_path: Path) -> None:
    part = acs_part(tmp_path, pictures)
    part = replace(part, environment={**part.environment, "IMGEN_ACS_KEY": "harbour-key"})
    async with (
        running(part, tmp_path) as process,
        open_http_service("acs", part.url, key="harbour-key") as acs,
        open_http_service("acs", part.url) as stranger,
    ):
        async with stranger.session.post(f"{stranger.url}/v1/reviews", json=body()) as response:
            assert response.status == 401

        async def ask(form: str, **changes: Any) -> tuple[int, Any]:
            known = facts(picture(form, (1344, 768)))
            json = body(**{"image_url": f"{pictures}/{form}", **known, **changes})
            async with acs.session.post(f"{acs.url}/v1/reviews", json=json) as response:
                return response.status, await response.json()

        for form in ("JPEG", "PNG", "WEBP", "AVIF"):
            status, review = await ask(form)
            assert (status, review["compliance"]) == (200, "safe")
            assert review["sha256"] == facts(picture(form, (1344, 768)))["sha256"]
        assert (await ask("JPEG", ruleset="strict"))[1]["compliance"] == "safe"
        assert (await ask("JPEG", prompt="a scene of gore"))[1]["codes"] == ["violence.terms"]
        assert (await ask("JPEG", ruleset="nothing"))[0] == 422
        assert (await ask("JPEG", image_url="http://127.0.0.1:1/a.jpg"))[0] == 422
    assert process.returncode == 0
    log = (tmp_path / "acs.log").read_text()
    assert len(re.findall("compliance=safe", log)) == 5
    assert "/pictures/" not in log


async def test_mistake_in_a_ruleset_stops_the_start_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "default.yaml").write_text("description: d\ncategories: 7\n")
    part = acs_part(tmp_path, "http://127.0.0.1:9", rulesets=tmp_path)
    with pytest.raises(PartError, match="reviewer ended while starting"):
        async with running(part, tmp_path / "logs"):
            pass
    assert (tmp_path / "logs" / "acs.log").read_text().splitlines() == [
        "acs: default.yaml: Expected `array`, got `int` - at `$.categories`"
    ]
