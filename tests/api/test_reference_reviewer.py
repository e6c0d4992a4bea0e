"""The API server with the reference reviewer at its end; only Triton and the detector are fakes."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer
from redis.asyncio import Redis

from acs.app import ReviewerConfig, make_app
from embedded.part import free_port
from tests.acs.orders import picture
from tests.acs.test_app import Eye
from tests.api.harness import Api, api
from tests.api.test_cache import MISS, asked, made
from tests.characters import add_characters


@dataclass
class ReviewerBench:
    server: Api
    eye: Eye

    async def made_file(self, job_id: str) -> Path:
        """Of a picture that nobody has reviewed yet."""
        async with asyncio.timeout(30):
            while await self.server.redis.hget(f"imgen:job:{job_id}", "state") != b"REVIEWING":
                await asyncio.sleep(0.02)
        (path,) = (self.server.settings.data_dir / "files").glob("pictures/*/*/*/*/1-*/*_00001.jpg")
        return path


@pytest.fixture
async def bench(redis: "Redis", redis_url: str, tmp_path: Path) -> AsyncIterator[ReviewerBench]:
    add_characters(tmp_path)
    eye, port = Eye(), free_port()
    config = ReviewerConfig(fetch_allow=(f"http://127.0.0.1:{port}/files/",))
    async with (
        TestServer(make_app(config, lambda: eye)) as acs,
        api(
            redis_url,
            tmp_path,
            port=port,
            acs_url=str(acs.make_url("")),
        ) as server,
    ):
        yield ReviewerBench(server, eye)


async def test_plain_picture_of_every_character_is_safe(bench: ReviewerBench) -> None:
    for name in ("nova", "robin", "sam", "aya"):
        meta = (await bench.server.finished(prompt=f"@{name} flying a kite, -gore"))["meta"]
        assert (meta["compliance"], meta["character"]) == ("safe", name)


@pytest.mark.parametrize(
    ("name", "blocked"), [("nova", False), ("robin", True), ("sam", True), ("aya", False)]
)
async def test_character_that_is_a_child_or_not_recorded_is_protected_in_words_and_picture(
    bench: ReviewerBench, name: str, blocked: bool
) -> None:
    words = await bench.server.finished(prompt=f"@{name}, boudoir")
    bench.eye.sees = {"BUTTOCKS_EXPOSED": 0.31}  # too little for any ruleset's own rule
    seen = await bench.server.finished(prompt=f"@{name} flying a kite")
    for state in (words, seen):
        assert state.get("filter_categories", []) == (["minors"] if blocked else [])
        assert ("meta" in state) is not blocked and "unsafe_url" not in state


@pytest.mark.parametrize("field", ["cs_title", "cs_description"])
async def test_words_of_the_content_credentials_are_judged(bench: ReviewerBench, field: str) -> None:
    state = await bench.server.finished(prompt="a quiet lake", **{field: "A scene of gore"})
    assert state["filter_categories"] == ["graphic-violence"]


async def test_words_of_the_negative_are_not_drawn_and_not_judged(bench: ReviewerBench) -> None:
    state = await bench.server.finished(prompt="a quiet lake, -gore", negative="gore")
    assert state["meta"]["compliance"] == "safe"
    assert "gore" not in bench.server.triton.orders[0].prompt


async def test_picture_that_was_exchanged_before_its_review_gets_no_verdict(bench: ReviewerBench) -> None:
    job = await bench.server.generate()
    path = await bench.made_file(job["id"])
    whole = path.read_bytes()
    path.write_bytes(picture())
    for _ in range(3):
        assert (await bench.server.status(job["id"]))["status"] == "IN_PROGRESS"
    assert bench.eye.shapes == []
    path.write_bytes(whole)
    assert (await bench.server.until(job["id"]))["meta"]["compliance"] == "safe"


async def test_characters_that_are_not_recorded_are_named_where_readiness_is_asked(
    bench: ReviewerBench,
) -> None:
    async def warnings() -> list[str]:
        async with bench.server.http.get(f"{bench.server.url}/readyz") as response:
            told: list[str] = (await response.json())["warnings"]
            return [line for line in told if "depict" in line]

    (line,) = await warnings()
    assert "@sam" in line and "@robin" not in line
    file = bench.server.settings.data_dir / "catalogue" / "characters" / "sam.yaml"
    file.write_text(f"{file.read_text()}depicts: adult\n")
    async with asyncio.timeout(30):
        while await warnings():
            await asyncio.sleep(0.05)


async def test_picture_that_was_judged_by_another_record_is_not_handed_out_again(
    bench: ReviewerBench,
) -> None:
    order = {"prompt": "@nova flying a kite"}
    await made(bench.server, **order)
    assert (await asked(bench.server, **order))[0] == 200
    file = bench.server.settings.data_dir / "catalogue" / "characters" / "nova.yaml"
    file.write_text(file.read_text().replace("adult", "child"))
    bench.server.services.catalogue.refresh()
    for force in ({}, {"cache_force": True}):
        assert await asked(bench.server, **order, **force) == MISS


async def test_picture_that_waits_for_its_review_is_judged_by_what_is_recorded_by_then(
    bench: ReviewerBench,
) -> None:
    """A client may leave a picture unreviewed for a day, and then ask for it."""
    job = await bench.server.generate(prompt="@nova, boudoir")
    await bench.made_file(job["id"])
    file = bench.server.settings.data_dir / "catalogue" / "characters" / "nova.yaml"
    file.write_text(file.read_text().replace("adult", "child"))
    bench.server.services.catalogue.refresh()
    state = await bench.server.until(job["id"])
    assert state["filter_categories"] == ["minors"] and "unsafe_url" not in state
