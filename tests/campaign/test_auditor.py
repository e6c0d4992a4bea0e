"""The auditor finds what is put amiss behind the servers' backs."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.api.harness import Api, api
from tests.campaign.auditor import Findings, look


@dataclass(frozen=True)
class Scene:
    server: Api
    redis: Any  # answers are bytes, which the types of the client do not know
    files: Path
    job: str

    async def audit(self, shown: str = "") -> Findings:
        """`shown`: SHA-256 of what the client saw; "": of what is there."""
        key = await self.redis.hget(f"imgen:job:{self.job}", "owner")
        true = await self.redis.hget(f"imgen:job:{self.job}", "sha256")
        assert key and true
        seen = {self.job: shown or true.decode()}
        return await look(self.redis, self.files, key.decode(), {1: self.job}, seen)


@pytest.fixture
async def scene(redis: "Redis", redis_url: str, tmp_path: Path) -> AsyncIterator[Scene]:
    async with api(redis_url, tmp_path) as server:
        job = str((await server.finished())["meta"]["id"])
        yield Scene(server, redis, server.settings.data_dir / "files", job)


async def test_nothing_is_amiss_of_a_finished_job(scene: Scene) -> None:
    assert (await scene.audit()).problems == []


async def lose_file(scene: Scene) -> None:
    next(scene.files.rglob("*_00001.jpg")).unlink()


async def change_thumbnail(scene: Scene) -> None:
    next(scene.files.rglob("*_thumb.*")).write_bytes(b"other")


async def forget_job(scene: Scene) -> None:
    await scene.redis.hset(f"imgen:job:{scene.job}", "state", "IN_PROGRESS")


async def draw_again(scene: Scene) -> None:
    ((_, fields),) = await scene.redis.xrange("imgen:pictures")
    await scene.redis.xadd("imgen:pictures", fields)


async def forget_verdict(scene: Scene) -> None:
    for entry, fields in await scene.redis.xrange("imgen:audit"):
        if fields[b"kind"] == b"verdict":
            await scene.redis.xdel("imgen:audit", entry)


async def count_twice(scene: Scene) -> None:
    (day,) = await scene.redis.keys("imgen:usage:*")
    (measure,) = (name for name in await scene.redis.hkeys(day) if name.startswith(b"pictures:"))
    await scene.redis.hincrby(day, measure, 1)


async def leave_place(scene: Scene) -> None:
    await scene.redis.zadd("imgen:open", {scene.job: 1})


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        (lose_file, {"lost"}),
        (change_thumbnail, {"lost"}),
        (forget_job, {"lost"}),
        (draw_again, {"twice", "usage"}),
        (forget_verdict, {"unreviewed", "audit"}),
        (count_twice, {"usage"}),
        (leave_place, {"left"}),
    ],
)
async def test_harm_is_found(scene: Scene, harm: Callable[[Scene], Awaitable[None]], found: set[str]) -> None:
    await harm(scene)
    problems = (await scene.audit()).problems
    assert {problem.partition(":")[0] for problem in problems} == found, problems


async def test_picture_that_only_its_client_knows_of_is_found(scene: Scene) -> None:
    problems = (await scene.audit(shown="f" * 64)).problems
    assert [problem.partition(":")[0] for problem in problems] == ["unreviewed", "unreviewed"]


async def test_job_that_no_client_was_told_of_is_found(scene: Scene) -> None:
    other = (await scene.server.finished())["meta"]["id"]
    assert f"twice: {other} is nobody's order" in (await scene.audit()).problems
